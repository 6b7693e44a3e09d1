"""The rows of the standard's tables, without logic."""
