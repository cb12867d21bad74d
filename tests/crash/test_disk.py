"""The disk says no under a running engine: it stops, and the next one finds everything."""

import shutil
import subprocess

import pytest

from tests.crash.processes import ENDED, Process, assert_books_agree, topics, write_signals

SIGNALS = 60

# The disk fails from that fsync on; those before it opened the store.
FSYNCS = "inject=fsync,fdatasync:error=EIO:when=20+"
STRACE = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", FSYNCS)


def strace():
    """Return the command that makes fsync fail; it may be missing, or not allowed here."""
    works = (
        shutil.which("strace") is not None
        and subprocess.run([*STRACE, "true"], check=False, capture_output=True).returncode == 0
    )
    if not works:
        pytest.skip("strace cannot be used here; the raising connection of the unit tests remains")
    return STRACE


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"max_pages": 34}, "full"),
        ({"file_limit": 200_000}, "written"),
        ("fsync", "written"),
    ],
    ids=["max_page_count", "file-size limit", "fsync"],
)
def test_a_disk_that_fails_stops_the_engine_and_costs_no_order(tmp_path, trouble, said):
    write_signals(tmp_path, SIGNALS)
    under, plan = (strace(), {}) if trouble == "fsync" else ((), trouble)

    with Process(tmp_path, plan, under=under) as broken:
        broken.until(lambda words: any("failed" in word for word in words), 60)
    acknowledged = {word["acknowledged"] for word in broken.words if "acknowledged" in word}
    why = next(word["failed"] for word in broken.words if "failed" in word)

    assert said in why
    assert len(acknowledged) < SIGNALS, "the trouble came too late to show anything"
    with Process(tmp_path, {}) as next_one:
        next_one.until(lambda words: sum(topic in ENDED for topic in topics(words)) >= SIGNALS, 60)
        next_one.stop()
    assert_books_agree(tmp_path, acknowledged)
