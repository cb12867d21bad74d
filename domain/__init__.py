"""Pure values and rules of order execution: no I/O, no clock, no thread."""
