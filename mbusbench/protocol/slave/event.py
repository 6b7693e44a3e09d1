"""What a frame is to a slave, by control field and address (EN 13757-2), and whether the slave answers to 253.

What a slave does about it is in link.py.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Whether the slave answers to 253."""

    # The name's hash, which Enum takes, costs more than the table that it opens.
    __hash__ = object.__hash__

    DESELECTED = "deselected"
    SELECTED = "selected"


class Event(Enum):
    """What a frame is to a slave: own address or 254, 253, 255, by service."""

    # The name's hash, which Enum takes, costs more than the table that it opens.
    __hash__ = object.__hash__

    RESET = "SND_NKE to the slave"
    RESET_SELECTED = "SND_NKE to 253"
    RESET_ALL = "SND_NKE to 255"
    SEND = "SND_UD to the slave"
    SEND_SELECTED = "SND_UD to 253"
    SEND_ALL = "SND_UD to 255"
    SELECTION_MATCHES = "selection on 253 that names the slave"
    SELECTION_OF_OTHERS = "selection on 253 that does not name the slave"
    SELECTION_ELSEWHERE = "selection to the slave's own address"
    SELECTION_TO_ALL = "selection on 255"
    REQUEST = "REQ_UD2 to the slave"
    REQUEST_SELECTED = "REQ_UD2 to 253"
    REQUEST_ALL = "REQ_UD2 to 255"
    ALARM_REQUEST = "REQ_UD1 to the slave"
    ALARM_REQUEST_SELECTED = "REQ_UD1 to 253"
    ALARM_REQUEST_ALL = "REQ_UD1 to 255"
    UNKNOWN = "anything else"
    POWER_UP = "power comes back"


class Control(NamedTuple):
    """A control field of a master as a slave understands it; `fcb` is None where FCV is 0."""

    own: Event
    selected: Event
    broadcast: Event
    fcb: int | None


_SHORT_SERVICES = {
    0x0: (Event.RESET, Event.RESET_SELECTED, Event.RESET_ALL),
    0xB: (Event.REQUEST, Event.REQUEST_SELECTED, Event.REQUEST_ALL),
    0xA: (Event.ALARM_REQUEST, Event.ALARM_REQUEST_SELECTED, Event.ALARM_REQUEST_ALL),
}
_LONG_SERVICES = {0x3: (Event.SEND, Event.SEND_SELECTED, Event.SEND_ALL)}


def _controls(services: dict[int, tuple[Event, Event, Event]]) -> dict[int, Control]:
    """Every legal control field with these function codes."""
    controls = {}
    for code, events in services.items():
        for fcb in (0, 1):
            controls[0x40 | fcb << 5 | code] = Control(*events, None)
            if code:
                controls[0x50 | fcb << 5 | code] = Control(*events, fcb)
    return controls


SHORT_CONTROLS = _controls(_SHORT_SERVICES)
LONG_CONTROLS = _controls(_LONG_SERVICES)
