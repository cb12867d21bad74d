"""The store: one append-only journal and its projections in one file, for one account."""
