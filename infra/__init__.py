"""Implementations of the domain's ports: stores, brokers, screens."""
