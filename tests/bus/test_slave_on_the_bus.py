"""What commands to a slave mean for the whole bus: rates, addresses, selection, power (EN 13757-2, The M-Bus 4.8)."""

from __future__ import annotations

from mbusbench.bus import VirtualBus
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.line.uart import Parity
from mbusbench.master.results import decode
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.protocol.slave.alarms import Alarm

SECOND = 10**9
MINUTE = 60 * SECOND
ACK = b"\xe5"


def water(address: int, identification: str = "65123478", **options: object) -> Meter:
    device = catalogue.load("kamstrup/flowiq-2101")
    return Meter(device, address=address, identification=identification, **options)  # type: ignore[arg-type]


class Master:
    """One master of a bus with its own time; it sends whole frames and waits for what comes."""

    def __init__(self, bus: VirtualBus) -> None:
        self.bus = bus
        self.port = bus.open_port()
        self.now = 0

    def send(self, frame: ShortFrame | LongFrame, patience: int = SECOND) -> bytes:
        self.bus.receive(self.port, frame.encode(), self.now)
        end, received = self.now + patience, b""
        while (due := self.bus.next_wakeup()) is not None and due <= end:
            self.now = max(self.now, due)
            received += b"".join(send.data for send in self.bus.poll(self.now) if send.port == self.port)
        self.now = end
        return received

    def set_baud(self, baud: int) -> None:
        self.bus.set_port_format(self.port, baud, Parity.EVEN, self.now)


def test_baud_rate_switch_is_acknowledged_at_the_old_rate_and_then_made() -> None:
    master = Master(VirtualBus([water(1), water(2, "65123479")], speed=1))
    assert master.send(LongFrame(0x53, 1, 0xBD)) == ACK
    assert master.send(ShortFrame(0x40, 1)) == b""
    assert master.send(ShortFrame(0x40, 2)) == ACK
    master.set_baud(9600)
    assert master.send(ShortFrame(0x40, 1)) == ACK
    assert len(master.send(ShortFrame(0x7B, 1))) > 100


def test_slave_falls_back_to_the_old_rate_when_the_master_does_not_follow() -> None:
    master = Master(VirtualBus([water(1)], speed=1))
    assert master.send(LongFrame(0x53, 1, 0xBD)) == ACK
    master.now = MINUTE
    assert master.send(ShortFrame(0x40, 1)) == b""
    master.now = 2 * MINUTE + SECOND
    assert master.send(ShortFrame(0x40, 1)) == ACK


def test_meter_that_is_set_to_another_rate_is_silent() -> None:
    master = Master(VirtualBus([water(1, baud=300)], speed=1))
    assert master.send(ShortFrame(0x40, 1)) == b""
    master.set_baud(300)
    assert master.send(ShortFrame(0x40, 1)) == ACK


def test_address_and_identification_are_those_of_the_bus_from_the_next_frame_on() -> None:
    master = Master(VirtualBus([water(0), water(2, "65123479")]))
    assert master.send(LongFrame(0x73, 253, 0x52, bytes.fromhex("78341265 FFFF FF FF"))) == ACK
    assert master.send(LongFrame(0x73, 253, 0x51, bytes.fromhex("01 7A 09"))) == ACK
    assert master.send(ShortFrame(0x40, 0)) == b""
    assert master.send(ShortFrame(0x40, 9)) == ACK
    assert master.send(LongFrame(0x73, 9, 0x51, bytes.fromhex("0C 79 01 00 00 00"))) == ACK
    assert master.send(ShortFrame(0x4B, 253)) == b""
    assert master.send(LongFrame(0x73, 253, 0x52, bytes.fromhex("01000000 FFFF FF FF"))) == ACK


def test_slaves_report_an_alarm_each_for_itself() -> None:
    master = Master(VirtualBus([water(1, alarms=[Alarm(0x04)]), water(2, "65123479")]))
    assert master.send(ShortFrame(0x7A, 1)) == LongFrame(0x28, 1, 0x71, b"\x04").encode()
    assert master.send(ShortFrame(0x7A, 2)) == ACK


def test_meter_with_a_key_is_read_with_the_key() -> None:
    key = bytes(range(16))
    bus = VirtualBus([Meter(catalogue.load("kamstrup/flowiq-2101"), address=1, security=5, key=key)])
    reading = decode(Master(bus).send(ShortFrame(0x7B, 1)), key=key)
    plain = decode(Master(VirtualBus([water(1)])).send(ShortFrame(0x7B, 1)))
    assert [record.value for record in reading.records] == [record.value for record in plain.records]


def test_power_cycle_deselects_on_the_whole_bus() -> None:
    bus = VirtualBus([water(1)])
    master = Master(bus)
    assert master.send(LongFrame(0x73, 253, 0x52, b"\xff" * 8)) == ACK
    bus.power_cycle(master.now)
    assert master.send(ShortFrame(0x7B, 253)) == b""
    assert master.send(ShortFrame(0x7B, 1)) != b""
