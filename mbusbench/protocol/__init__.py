"""Sans-IO state machines of the link and application layers: time comes in as an argument."""
