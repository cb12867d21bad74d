"""The README's diagram and status table say what the code does."""

import re

from domain.lifecycle import LEGAL_CHANGES
from domain.terms import OrderStatus
from tests.house.files import ROOT


def readme():
    return (ROOT / "README.md").read_text()


def test_the_diagram_shows_the_legal_changes_and_no_others():
    shown = set(re.findall(r"^    (\w+) --> (\w+)$", readme(), re.MULTILINE))

    legal = {
        (before.value, after.value) for before in LEGAL_CHANGES for after in LEGAL_CHANGES[before]
    }
    assert shown == legal


def test_the_table_explains_every_status():
    explained = re.findall(r"^\| ([A-Z_]+) \| \w", readme(), re.MULTILINE)

    assert explained == [status.value for status in OrderStatus]
