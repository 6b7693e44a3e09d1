"""One frame or reject of an input, ready to be shown: title, JSON object (docs/json.md), and what it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mbusbench.codec import ci_field, commands, control_field
from mbusbench.codec.fixed_data import FixedHeader
from mbusbench.codec.frame import Frame, LongFrame, ShortFrame, SingleCharacter
from mbusbench.codec.frame_reader import Reject
from mbusbench.codec.header import LongHeader, ShortHeader, manufacturer_letters
from mbusbench.codec.telegram import Header, Telegram
from mbusbench.errors import DecodeError
from mbusbench.master.results import MBusSlaveData, slave_data

_SINGLE = {0xE5: "acknowledged", 0xA2: "not acknowledged"}
_WITH_RECORDS_FROM_MASTER = (0x51, 0x55, 0x5A, 0x5B)
_REASONS = {
    "start": "no frame starts here",
    "length": "the two length fields differ, or are impossible",
    "checksum": "wrong checksum",
    "stop": "no stop byte where the frame should end",
    "truncated": "the frame is cut off",
    "parity": "parity or framing error",
}


@dataclass(frozen=True, slots=True)
class FrameView:
    """`telegram` is None where the frame carries none, `error` says why one that should be there could not be read.

    `command` is what a master asks; where it sends records, they are a telegram.
    """

    item: Frame | Reject
    raw: bytes
    offset: int
    telegram: Telegram | None = None
    reading: MBusSlaveData | None = None
    command: commands.Command | None = None
    error: DecodeError | None = None

    @staticmethod
    def of(item: Frame | Reject, raw: bytes, offset: int, key: bytes | None) -> FrameView:
        """Decode what the frame carries. `offset` is where it starts in the input."""
        if not isinstance(item, LongFrame):
            return FrameView(item, raw, offset)
        try:
            if item.control & control_field.PRM and item.ci not in _WITH_RECORDS_FROM_MASTER:
                return FrameView(item, raw, offset, command=commands.decode_command(item.ci, item.data))
            telegram = Telegram.decode(item.ci, item.data, key=key)
        except DecodeError as error:
            return FrameView(item, raw, offset, error=error)
        return FrameView(item, raw, offset, telegram, slave_data([telegram], item.address, None))

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it and nothing remains unread."""
        if isinstance(self.item, Reject) or self.error is not None:
            return False
        return self.reading is None or not (self.reading.diagnostics or self.reading.encrypted)

    @property
    def problem(self) -> str | None:
        """What makes it unreadable as a whole, for a person."""
        if isinstance(self.item, Reject):
            return f"not a valid frame: {_REASONS.get(self.item.reason.value, self.item.reason.value)}"
        if self.error is None:
            return None
        where = f", byte {self.error.offset}" if self.error.offset is not None else ""
        return f"{self.error.layer}{where}: {self.error}"

    @property
    def title(self) -> str:
        """One line: where, what, of whom."""
        item, where = self.item, f"byte {self.offset}: "
        if isinstance(item, Reject):
            return f"{where}{len(item.raw)} bytes rejected"
        if isinstance(item, SingleCharacter):
            return f"{where}{item.code:02X}, {_SINGLE.get(item.code, 'single character')}"
        name = control_field.describe(item.control)
        if isinstance(item, ShortFrame):
            return f"{where}{name}, address {item.address}"
        title = f"{where}{name}, address {item.address}, CI {item.ci:02X} ({ci_field.describe(item.ci)})"
        details = command_fields(self.command) or {}
        said = [f"{key.replace('_', ' ')} {value}" for key, value in details.items() if key != "name" and value]
        return f"{title}: {', '.join(said)}" if said else title

    def to_json(self) -> dict[str, Any]:
        """The object of `decode --json`; `encode` reads it back."""
        shown: dict[str, Any] = {"offset": self.offset, "ok": self.ok, "hex": self.raw.hex(), **_fields(self.item)}
        if isinstance(self.item, LongFrame):
            shown["header"] = None if self.telegram is None else header_fields(self.telegram.header)
            shown["command"] = command_fields(self.command)
            shown["reading"] = None if self.reading is None else self.reading.model_dump(mode="json")
        shown["error"] = None
        if self.error is not None:
            shown["error"] = {"layer": self.error.layer, "offset": self.error.offset, "message": str(self.error)}
        return shown


def _fields(item: Frame | Reject) -> dict[str, Any]:
    if isinstance(item, Reject):
        return {"frame": "reject", "reason": item.reason.value}
    if isinstance(item, SingleCharacter):
        return {"frame": "single", "code": item.code}
    link = {"control": item.control, "control_name": control_field.describe(item.control), "address": item.address}
    if isinstance(item, ShortFrame):
        return {"frame": "short", **link}
    ci = {"ci": item.ci, "ci_name": ci_field.describe(item.ci)}
    return {"frame": "long", **link, **ci, "data": item.data.hex()}


def command_fields(command: commands.Command | None) -> dict[str, Any] | None:
    """What a master asks, as JSON; None where the frame is no command that is known."""
    match command:
        case commands.SelectDevice(mask, fabrication, raw):
            return {"name": "select", "mask": raw.hex() if mask is None else str(mask), "fabrication": fabrication}
        case commands.ApplicationReset(subcodes):
            return {"name": "application_reset", "subcodes": subcodes.hex()}
        case commands.SetBaudRate(baud):
            return {"name": "set_baud_rate", "baud": baud}
        case commands.Synchronise():
            return {"name": "synchronise"}
        case _:
            return None


def header_fields(header: Header | None) -> dict[str, Any] | None:
    """The header of a telegram as JSON; `encode` builds the same header from it."""
    if isinstance(header, LongHeader):
        return {
            "kind": "long",
            "identification": header.identification,
            "manufacturer": manufacturer_letters(header.manufacturer),
            "manufacturer_code": header.manufacturer,
            "version": header.version,
            "device_type": header.device_type,
            "access_number": header.access_number,
            "status": header.status,
            "configuration": header.configuration,
        }
    if isinstance(header, ShortHeader):
        return {
            "kind": "short",
            "access_number": header.access_number,
            "status": header.status,
            "configuration": header.configuration,
        }
    if isinstance(header, FixedHeader):
        return {
            "kind": "fixed",
            "identification": header.identification,
            "access_number": header.access_number,
            "status": header.status,
            "medium": header.medium,
            "units": list(header.units),
        }
    return None
