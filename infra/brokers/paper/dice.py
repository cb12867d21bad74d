"""Chance that can be repeated: one sequence of draws for each purpose, all from one seed."""

from random import Random


def dice(seed: int, purpose: str) -> Random:
    """Return the draws for one purpose; what another purpose draws does not move them."""
    return Random(f"{seed}/{purpose}")  # noqa: S311  # A simulation, not a secret.
