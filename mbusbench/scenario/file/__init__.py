"""What a scenario file says, and the variants that it becomes."""
