"""A simulated meter: its device file, its values over time, the records that it sends."""
