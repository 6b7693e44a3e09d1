"""Many cases against one master: which, how many at a time, and what is known to fail."""
