"""Real kills of a real process, against a real broker process: both books tell the same.

``TEST_KILLS`` makes it longer or shorter; ``run.py torture`` is the same as a command.
"""

import os

import pytest

from tests.torture.campaign import Campaign
from tests.torture.oracle import problems

KILLS = int(os.environ.get("TEST_KILLS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_random_and_chosen_instants_double_and_lose_nothing(tmp_path):
    campaign = Campaign(tmp_path, kills=KILLS, seed=1)

    campaign.run()

    assert problems(tmp_path) == []
    assert sum(campaign.done.values()) == KILLS
