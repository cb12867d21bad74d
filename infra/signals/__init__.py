"""Doors through which signals come in from outside the process."""
