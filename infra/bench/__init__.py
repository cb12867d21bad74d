"""Measures this machine and, beside its limits, what an engine reaches on it."""
