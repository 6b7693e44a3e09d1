"""The command line: `main` dispatches, each command has a file of its own that is imported when it is called."""
