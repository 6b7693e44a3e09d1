"""What was recorded on a bus, from a log, a dump, a trace or a bus that answers now, as devices and a bus file."""
