"""Chance that can be repeated: one sequence of draws for each purpose, all from one seed."""

from random import Random


class Dice(Random):
    """Draws that a seed decides; never for secrets."""


def dice(seed: int, purpose: str) -> Dice:
    """Return the draws for one purpose; what another purpose draws does not move them."""
    return Dice(f"{seed}/{purpose}")
