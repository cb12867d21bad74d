"""Prices from outside."""
