"""What is decided: plain data and plain functions. No I/O, no clock, no randomness."""
