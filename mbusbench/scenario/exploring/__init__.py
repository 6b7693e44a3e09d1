"""Random fault schedules, and the smallest of them that fails."""
