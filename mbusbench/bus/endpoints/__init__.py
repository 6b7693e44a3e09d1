"""The outer ends of a bus, one kind in one file; with `bus.server` the only part of it that knows an event loop."""
