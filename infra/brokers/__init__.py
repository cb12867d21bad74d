"""One package or module for each broker; none knows another."""
