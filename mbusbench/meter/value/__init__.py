"""What a value is over time: constants, counters, profiles, sums of them, and what a meter keeps of its registers."""
