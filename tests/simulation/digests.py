"""The pinned event-log hashes; run as a module it writes them anew."""

import json
from pathlib import Path

from tests.simulation.campaign import be_silent, digest_of
from tests.simulation.profiles import PROFILES

SEEDS = range(4)


def main() -> None:
    """Write the hash of some days of every profile."""
    be_silent()
    pinned = {profile: digest_of(SEEDS, profile) for profile in PROFILES}
    Path(__file__).with_name("digests.json").write_text(json.dumps(pinned, indent=2) + "\n")


if __name__ == "__main__":
    main()
