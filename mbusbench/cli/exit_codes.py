"""The exit codes of every command, and the line that an error becomes.

0 to 3 are promised to programs; the others are what a shell expects of a program that was interrupted or is broken.
"""

from __future__ import annotations

from mbusbench.errors import DefinitionError, MBusError, MBusUsageError

DONE = 0
METER_FAILED = 1
USAGE = 2
NO_CONNECTION = 3
INTERNAL = 70
INTERRUPTED = 130
PIPE_CLOSED = 141


def exit_code(error: Exception) -> int:
    """The exit code for an error that ended a command."""
    if isinstance(error, ConnectionError):
        return NO_CONNECTION
    if isinstance(error, (MBusUsageError, DefinitionError)):
        return USAGE
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return USAGE
    return METER_FAILED


def explanation(error: Exception) -> str:
    """One line for a person: what is wrong and, where it is known, what to do about it."""
    if isinstance(error, OSError) and not isinstance(error, MBusError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error) or type(error).__name__
