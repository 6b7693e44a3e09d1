"""Every exception of the package::

    MBusError                        anything below; `kind` is its stable name
    |-- MBusDecodeError              decode: bytes that are no telegram (`DecodeError` is the same class)
    |-- MBusTimeoutError             no-answer: nothing came, repeats included
    |-- MBusGarbledError             garbled: something came, but no valid frame
    |   `-- MBusCollisionError       collision: more than one meter answered
    |-- MBusWrongAddressError        wrong-address: a valid answer of somebody else
    |-- MBusStaleError               stale: an old telegram was recognised
    |-- MBusNoDataError              no-data: E5 instead of data
    |-- MBusApplicationError         application-error: CI 70; `code` is its byte
    |-- MBusEncryptedError           encrypted: no key, or the wrong one
    |-- MBusTooManyTelegramsError    too-many-telegrams: the readout has no end
    |-- MBusRefusedError             refused: a write was not done, or must not be
    |-- MBusConnectionError          disconnected: no connection, or it was lost (also an OSError)
    |-- MBusUsageError               usage: an argument out of range; nothing was sent (also a ValueError)
    |-- DefinitionError              definition: a file that a person wrote is wrong; one line per mistake
    |-- SinkError                    sink: where readings go is down or full; it will be tried again
    |   `-- SinkRefusedError         refused-readings: it is there, but will never take these readings
    `-- StoreError                   store: the store on disk cannot be opened, read or written

What the peer did becomes one of these only at the edge (MBusMaster); inside, it is an `Outcome`. The kinds down to
`usage` are the closed list that a conformance driver reports.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MBusError(Exception):
    """Base of all. `kind` is the error's stable name; `address` the slave concerned, as text, where there is one."""

    kind: ClassVar[str] = "unspecified"
    address: str | None = None


class MBusDecodeError(MBusError):
    """Bytes that are no valid frame or telegram.

    `layer` is "link", "application" or "security"; `offset` the index of the first wrong byte in the input, or None.
    """

    kind = "decode"

    def __init__(self, message: str, *, layer: str = "application", offset: int | None = None) -> None:
        super().__init__(message)
        self.layer = layer
        self.offset = offset


DecodeError = MBusDecodeError


class MBusTimeoutError(MBusError, TimeoutError):
    """The slave did not answer, repeats included."""

    kind = "no-answer"


class MBusGarbledError(MBusError):
    """Something was received, but no valid frame."""

    kind = "garbled"


class MBusCollisionError(MBusGarbledError):
    """More than one slave answered."""

    kind = "collision"


class MBusWrongAddressError(MBusError):
    """A valid answer came from another slave."""

    kind = "wrong-address"


class MBusStaleError(MBusError):
    """The slave sent an old telegram again."""

    kind = "stale"


class MBusNoDataError(MBusError):
    """The slave acknowledged the request with E5 instead of sending data."""

    kind = "no-data"


class MBusApplicationError(MBusError):
    """The slave answered with CI 70. `code` is the error code, 0 (unspecified) where the frame carried none."""

    kind = "application-error"

    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class MBusEncryptedError(MBusError):
    """The telegram is encrypted and there is no key, or the wrong one.

    `slave` is who sent it, as its header says: an MBusSlaveInfo, or None where there was no header.
    """

    kind = "encrypted"
    slave: Any = None


class MBusTooManyTelegramsError(MBusError):
    """The readout reached its bound, or the slave is stuck at one telegram."""

    kind = "too-many-telegrams"


class MBusRefusedError(MBusError):
    """A write was not done, or must not be done."""

    kind = "refused"


class MBusConnectionError(MBusError, ConnectionError):
    """No connection to the bus, or it was lost."""

    kind = "disconnected"


class MBusUsageError(MBusError, ValueError):
    """An argument is out of range; nothing was sent."""

    kind = "usage"


class DefinitionError(MBusError):
    """A YAML file is wrong. The message has one line per mistake: `file:line:column path: what is wrong`."""

    kind = "definition"


class SinkError(MBusError):
    """A sink cannot take anything now (no connection, disk full, refused login): it will be tried again."""

    kind = "sink"


class SinkRefusedError(SinkError):
    """A sink is there but will never take these readings: they are not tried again, but counted as dropped."""

    kind = "refused-readings"


class StoreError(MBusError):
    """The store on disk cannot be opened, read or written; what it had not acknowledged is not in it."""

    kind = "store"
