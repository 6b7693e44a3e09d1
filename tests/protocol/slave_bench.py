"""A slave spoken to in hexadecimal, and the plainest meter there can be behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame, decode_frame
from mbusbench.codec.record import RecordHeader
from mbusbench.protocol.slave.alarms import Alarm, SlaveAlarms
from mbusbench.protocol.slave.application import SlaveApplication
from mbusbench.protocol.slave.commands import DATA_ERROR, CommandError, WrittenRecord
from mbusbench.protocol.slave.link import SlaveLink
from mbusbench.protocol.slave.settings import SlaveSettings

WIRE_ADDRESS = bytes.fromhex("78563412 2D2C 35 04")
FIRST, SECOND, THIRD = b"\x0c\x78\x78\x56\x34\x12\x1f", b"\x04\x06\x01\x00\x00\x00\x1f", b"\x04\x13\x02\x00\x00\x00"
SECOND_NS = 10**9
MINUTE = 60 * SECOND_NS


class FakeDevice:
    """Three telegrams, and a diary of what was written."""

    def __init__(self, address: int = 5, telegrams: tuple[bytes, ...] = (FIRST, SECOND, THIRD)) -> None:
        self.address = address
        self.wire_address = WIRE_ADDRESS
        self.fabrication_number: bytes | None = bytes.fromhex("04030201")
        self.status = 0
        self.configuration = b"\x00\x00"
        self.baud_rates: Sequence[int] = (300, 2400, 9600)
        self.telegrams = telegrams
        self.applications: dict[int, tuple[int, ...]] = {}
        self.shown: datetime | None = None
        self.written: list[WrittenRecord] = []

    def readout(self, application: int | None) -> tuple[int, ...]:
        if application is None:
            return tuple(range(len(self.telegrams)))
        return self.applications.get(application, ())

    def records(self, telegram: int, now: int) -> bytes:
        return self.telegrams[telegram]

    def is_ordinary(self, telegram: int) -> bool:
        return True

    def datagram(self, telegram: int, access_number: int, now: int) -> tuple[int, bytes]:
        raise NotImplementedError

    def ending(self, telegram: int) -> bytes:
        return b"\x1f" if self.telegrams[telegram].endswith(b"\x1f") else b""

    def selected_records(self, telegrams: Sequence[int], wanted: Sequence[RecordHeader], now: int) -> list[bytes]:
        return [b"".join(bytes([0x2F]) + each.raw for each in wanted)]

    def write(self, record: WrittenRecord, now: int) -> None:
        if record.vib.raw == b"\x06":
            raise CommandError(DATA_ERROR)
        self.written.append(record)

    def set_wire_address(self, wire_address: bytes) -> None:
        self.wire_address = wire_address

    def clock(self, now: int) -> datetime:
        return self.shown or datetime(2026, 1, 1)

    def set_clock(self, value: datetime, now: int) -> None:
        self.shown = value


class Bench:
    """One slave with its settings, spoken to at `now` (ns)."""

    def __init__(
        self,
        *,
        address: int = 5,
        telegrams: tuple[bytes, ...] = (FIRST, SECOND, THIRD),
        alarms: Sequence[Alarm] = (),
        busy: Sequence[tuple[int, int]] = (),
        baud: int | None = None,
        **settings: Any,
    ) -> None:
        self.device = FakeDevice(address, telegrams)
        self.application = SlaveApplication(
            self.device,
            SlaveSettings(**settings),
            access_number=0x55,
            alarms=SlaveAlarms(alarms) if alarms else None,
            busy=busy,
        )
        self.link = SlaveLink(self.application, baud=baud)
        self.now = 0

    def receive(self, frame: Frame) -> Frame | None:
        return self.link.receive(frame, self.now)

    def send(self, text: str) -> str | None:
        reply = self.receive(decode_frame(bytes.fromhex(text)))
        return None if reply is None else reply.encode().hex(" ").upper()

    def short(self, control: int, address: int = 5) -> Frame | None:
        return self.receive(ShortFrame(control, address))

    def long(self, control: int, address: int, ci: int, data: str = "") -> Frame | None:
        return self.receive(LongFrame(control, address, ci, bytes.fromhex(data)))

    def command(self, ci: int, data: str = "") -> None:
        """A SND_UD without a frame count bit to the slave's own address, acknowledged."""
        assert self.long(0x63, self.device.address, ci, data) == ACK

    def request(self) -> LongFrame:
        """The answer to a REQ_UD2 without a frame count bit."""
        reply = self.short(0x4B, self.device.address)
        assert isinstance(reply, LongFrame)
        return reply

    def error(self) -> int | None:
        """The code of the application error that the next request gets, None for anything else."""
        reply = self.request()
        return reply.data[0] if reply.ci == 0x70 else None

    def telegram(self, control: int, address: int = 5) -> int | None:
        """The number of the telegram that a request gets, None for anything else."""
        reply = self.short(control, address)
        if not isinstance(reply, LongFrame) or reply.ci != 0x72:
            return None
        return self.device.telegrams.index(reply.data[12:]) + 1

    def select(self) -> None:
        assert self.long(0x73, 253, 0x52, "78563412 2D2C 35 04") is not None
        assert self.link.is_selected
