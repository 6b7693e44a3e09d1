"""What was seen, taken apart and judged: the line, the truth, the turns, and the invariants."""
