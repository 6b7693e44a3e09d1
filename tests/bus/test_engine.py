from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.bus.endpoint import EXAMPLES
from mbusbench.bus.engine import Send
from mbusbench.bus.noise import Noise
from mbusbench.bus.port import GatewayOptions, PortOptions
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.line.wire import Parity
from mbusbench.meter import catalogue
from mbusbench.meter.meter import Meter
from mbusbench.timing import character_time

MILLISECOND = 10**6
HOUR = 3600 * 10**9


def water(address: int, identification: str = "65123478", **options: object) -> Meter:
    return Meter(catalogue.load("kamstrup/flowiq-2101"), address=address, identification=identification, **options)  # type: ignore[arg-type]


class Port:
    """One master's side of a bus, spoken to in hexadecimal; time passes only by `wait`."""

    def __init__(self, bus: VirtualBus) -> None:
        self.bus = bus
        self.number = bus.open_port()
        self.now = 0

    def send(self, text: str) -> bytes:
        self.bus.receive(self.number, bytes.fromhex(text), self.now)
        return self.poll()

    def poll(self) -> bytes:
        return b"".join(send.data for send in self.bus.poll(self.now) if send.port == self.number)

    def wait(self, duration: int) -> bytes:
        """What arrives in that time."""
        end, received = self.now + duration, b""
        while (due := self.bus.next_wakeup()) is not None and due <= end:
            self.now = max(self.now, due)
            received += self.poll()
        self.now = end
        return received + self.poll()

    def first(self, text: str) -> int:
        """When the first character arrives that follows on a request."""
        received = self.send(text)
        while not received:
            due = self.bus.next_wakeup()
            assert due is not None
            self.now = max(self.now, due)
            received = self.poll()
        return self.now

    def select(self, mask: str) -> bytes:
        data = bytes.fromhex(mask)
        body = bytes([0x73, 0xFD, 0x52]) + data
        return self.send((bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])).hex())


def test_meters_answer_to_their_addresses_only() -> None:
    port = Port(VirtualBus([water(1), water(5, "65123479")]))
    assert port.send("10 40 01 41 16") == b"\xe5"
    assert port.send("10 40 02 42 16") == b""
    reply = port.send("10 7B 05 80 16")
    assert reply[:7].hex() == "68686868084e72".replace("4e", "05")
    assert reply[7:11].hex() == "79341265"


def test_requests_in_pieces_in_one_and_behind_garbage() -> None:
    port = Port(VirtualBus([water(1)]))
    assert port.send("10 40") == b""
    assert port.send("01 41 16") == b"\xe5"
    assert port.send("10 40 01 41 16 10 40 01 41 16") == b"\xe5\xe5"
    assert port.send("FF 00 A5 10 40 01 41 16") == b"\xe5"
    assert port.send("10 40 01 42 16") == b""
    assert port.send("10 40 01 41 16") == b"\xe5"


def test_half_frame_is_given_up_after_the_idle_time_and_hides_nothing() -> None:
    port = Port(VirtualBus([water(1)]))
    assert port.send("68 1F 1F 68 53 01") == b""
    assert port.send("10 40 01 41 16") == b""
    assert port.bus.next_wakeup() == 50 * MILLISECOND
    assert port.wait(49 * MILLISECOND) == b""
    assert port.wait(2 * MILLISECOND) == b"\xe5"
    assert port.bus.next_wakeup() is None


def test_wrong_checksums_and_answers_of_slaves_are_not_answered() -> None:
    port = Port(VirtualBus([water(1)]))
    for frame in ("10 7B 01 7D 16", "10 08 01 09 16", "E5", "68 03 03 68 08 01 72 7B 16", "10 5B FB 56 16"):
        assert port.send(frame) == b""
        port.wait(100 * MILLISECOND)


def test_254_is_answered_by_all_at_once_and_collides() -> None:
    first, second = water(1, "12345678"), water(2, "12367890")
    port = Port(VirtualBus([first, second]))
    assert port.send("10 40 FE 3E 16") == b"\xe5"
    replies = [
        Port(VirtualBus([meter])).send("10 7B FE 79 16") for meter in (water(1, "12345678"), water(2, "12367890"))
    ]
    collision = port.send("10 7B FE 79 16")
    assert collision == bytes(a & b for a, b in zip(*replies, strict=True))
    assert collision not in replies


def test_255_is_answered_by_nobody_and_heard_by_all() -> None:
    port = Port(VirtualBus([water(1), water(2, "65123479")]))
    port.select("78341265 2D2C 1F 16")
    assert port.send("10 40 FF 3F 16") == b""
    assert port.send("10 7B FD 78 16") == b""


def test_selection_by_wildcards_and_readout_by_253() -> None:
    port = Port(VirtualBus([water(1, "11111111"), water(2, "11111112"), water(3, "22222222")]))
    assert port.select("FFFFFF1F FFFF FF FF") == b"\xe5"
    assert port.select("FFFFFF3F FFFF FF FF") == b""
    assert port.send("10 7B FD 78 16") == b""
    assert port.select("12111111 FFFF FF FF") == b"\xe5"
    assert port.send("10 7B FD 78 16")[5] == 2
    assert port.send("10 5B 03 5E 16")[5] == 3
    assert port.send("10 40 FD 3D 16") == b"\xe5"
    assert port.send("10 7B FD 78 16") == b""


def test_meter_is_found_at_the_address_that_was_written() -> None:
    bus = VirtualBus([water(0), water(9, "65123479")])
    port = Port(bus)
    assert port.send("68 06 06 68 73 00 51 01 7A 07 46 16") == b"\xe5"
    assert port.send("10 40 00 40 16") == b""
    assert port.send("10 40 07 47 16") == b"\xe5"
    assert bus.meters[0].address == 7
    # and two may come to share one
    assert port.send("68 06 06 68 73 07 51 01 7A 09 4F 16") == b"\xe5"
    assert port.send("10 40 09 49 16") == b"\xe5"
    assert port.send("10 40 07 47 16") == b""


def test_two_meters_at_one_address_collide() -> None:
    port = Port(VirtualBus([water(5, "11111111"), water(5, "22222222")]))
    assert port.send("10 40 05 45 16") == b"\xe5"
    reply = port.send("10 7B 05 80 16")
    assert reply[:7] == bytes.fromhex("68686868 08 05 72")
    assert reply[7:11] == b"\x00" * 4


def test_power_cycle_forgets_selection_and_what_is_under_way() -> None:
    bus = VirtualBus([water(1)], speed=1)
    port = Port(bus)
    port.select("FFFFFFFF FFFF FF FF")
    bus.power_cycle(0)
    assert port.wait(1000 * MILLISECOND) == b""
    port.send("10 7B FD 78 16")
    assert port.wait(1000 * MILLISECOND) == b""


def test_ports_are_apart() -> None:
    bus = VirtualBus([water(1)])
    first, second = Port(bus), Port(bus)
    bus.receive(first.number, bytes.fromhex("10 40"), 0)
    bus.receive(second.number, bytes.fromhex("10 40 01 41 16"), 0)
    assert bus.poll(0) == [Send(second.number, b"\xe5")]
    bus.receive(first.number, bytes.fromhex("01 41 16"), 0)
    assert bus.poll(0) == [Send(first.number, b"\xe5")]


def test_answers_to_a_closed_port_are_dropped() -> None:
    bus = VirtualBus([water(1)], speed=1)
    port = Port(bus)
    port.send("10 40 01 41 16")
    bus.close_port(port.number)
    assert bus.poll(HOUR) == []
    assert bus.next_wakeup() is None


@pytest.mark.parametrize("baud", [300, 2400, 9600])
def test_characters_take_their_time_at_real_speed(baud: int) -> None:
    port = Port(VirtualBus([water(1, response_delay=(20 * MILLISECOND, 20 * MILLISECOND))], baud=baud, speed=1))
    character = character_time(baud)
    start = character_time(baud, 5) + 20 * MILLISECOND
    assert port.send("10 7B 01 7C 16") == b""
    assert port.wait(start + character - 1) == b""
    assert port.wait(1) == b"\x68"
    assert port.wait(3 * character + 2) == b"\x68\x68\x68"
    rest = port.wait(200 * character)
    assert len(rest) == 0x68 + 2
    assert port.bus.next_wakeup() is None


def test_default_response_delay_is_11_bit_times_and_a_little() -> None:
    port = Port(VirtualBus([water(1)], baud=2400, speed=1))
    due = port.first("10 40 01 41 16")
    earliest = character_time(2400, 5) + 4_583_333 + 3 * MILLISECOND + character_time(2400)
    assert earliest <= due <= earliest + 2 * MILLISECOND


def test_speed_is_a_factor_of_the_line_s_time() -> None:
    delay = (10 * MILLISECOND, 10 * MILLISECOND)
    port = Port(VirtualBus([water(1, response_delay=delay)], baud=300, speed=10))
    assert port.first("10 40 01 41 16") == pytest.approx((6 * character_time(300) + 10 * MILLISECOND) / 10, abs=10)


def test_what_a_master_sends_faster_than_the_line_is_lost_beyond_a_gateway_s_buffer() -> None:
    bus = VirtualBus([water(1)], speed=1)
    port = Port(bus)
    for _ in range(1000):
        port.send("10 40 01 41 16" * 100)
    assert len(port.wait(60 * 10**9)) == 4096 // 5
    assert port.send("10 40 01 41 16") == b""
    assert port.wait(100 * MILLISECOND) == b"\xe5"


def test_echo_comes_before_the_answer() -> None:
    port = Port(VirtualBus([water(1)], echo=True))
    assert port.send("10 40 01 41 16") == bytes.fromhex("10 40 01 41 16 E5")


def test_response_delays_vary_by_seed_within_their_limits() -> None:
    def delays(seed: int) -> list[int]:
        meter = water(1, response_delay=(20 * MILLISECOND, 80 * MILLISECOND))
        port = Port(VirtualBus([meter], speed=1, seed=seed))
        found = []
        for _ in range(20):
            begin = port.now
            due = port.first("10 40 01 41 16")
            found.append(due - begin - character_time(2400, 6))
            port.wait(1000 * MILLISECOND)
        return found

    assert delays(1) == delays(1)
    assert delays(1) != delays(2)
    assert all(20 * MILLISECOND <= delay <= 80 * MILLISECOND for delay in delays(1))
    assert len(set(delays(1))) > 10


def test_cost_of_a_request_does_not_grow_with_the_number_of_meters() -> None:
    seen: list[int] = []
    for count in (5, 250):
        bus = VirtualBus([water(address, f"{address:08d}") for address in range(1, count + 1)])
        asked = 0
        for slave in bus.slaves:
            receive = slave.link.receive

            class Counting:
                def __init__(self, link: object) -> None:
                    self._link = link

                def __getattr__(self, name: str) -> object:
                    nonlocal asked
                    asked += name == "receive"
                    return getattr(self._link, name)

            slave.link = Counting(slave.link)  # type: ignore[assignment]
            del receive
        port = Port(bus)
        port.send("10 40 03 43 16")
        port.send("10 7B 03 7E 16")
        port.select("03000000 FFFF FF FF")
        before = asked
        port.send("10 7B FD 78 16")
        seen.append(asked - before)
        assert asked - before == 1
        assert before == 2 + count
    assert seen == [1, 1]


def test_bus_from_device_names_finds_free_addresses_and_ids() -> None:
    bus = VirtualBus.from_devices(["kamstrup/flowiq-2101", "kamstrup/multical-603", "kamstrup/flowiq-2101"])
    assert [meter.address for meter in bus.meters] == [78, 99, 79]
    assert [meter.identification for meter in bus.meters] == ["65123478", "80450799", "65123479"]
    with pytest.raises(DefinitionError, match="there is no device 'kamstrup/x'"):
        VirtualBus.from_devices(["kamstrup/x"])


def test_250_meters_fit_and_no_more() -> None:
    meters = VirtualBus.from_devices(["kamstrup/flowiq-2101"] * 250).meters
    assert {meter.address for meter in meters} == set(range(1, 251))
    with pytest.raises(MBusUsageError, match="only 250 primary addresses for 251 devices"):
        VirtualBus.from_devices(["kamstrup/flowiq-2101"] * 251)


@pytest.mark.parametrize("options", [{"baud": 1234}, {"speed": 0}, {"speed": -1}])
def test_impossible_lines_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(MBusUsageError):
        VirtualBus([], **options)  # type: ignore[arg-type]


BUS = """\
format: 1
seed: 7
speed: real
epoch: 2025-06-30T12:00:00
line: {baud: 9600, parity: even, echo: true, noise: 0}
listen: [tcp://127.0.0.1:0]
meters:
  - {device: kamstrup/multical-603, address: 5, id: 12345678, fcb: lenient}
  - {device: own.yaml, address: 10, count: 40, id: 00000099}
  - {device: kamstrup/flowiq-2101, version: 0x1D, medium: water, status: 4, response_delay: [35ms, 80ms]}
faults: []
"""
OWN = """\
format: 1
device: {manufacturer: ABC, version: 2, medium: gas}
telegrams:
  - records:
      - {vif: volume, unit: m3, code: int32, value: {random: [0, 1000000]}}
      - {vif: fabrication_number, code: bcd8, value: {device: id}}
"""


def write(directory: Path, text: str, name: str = "bus.yaml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_bus_file(tmp_path: Path) -> None:
    write(tmp_path, OWN, "own.yaml")
    bus = VirtualBus.from_yaml(write(tmp_path, BUS))
    assert bus.seed == 7
    assert bus.listen == ("tcp://127.0.0.1:0",)
    assert [meter.address for meter in bus.meters] == [5, *range(10, 50), 78]
    assert [meter.identification for meter in bus.meters[:3]] == ["12345678", "00000099", "00000100"]
    assert bus.meters[-1].wire_address.hex() == "783412652d2c1d07"
    assert bus.meters[-1].status == 4
    assert bus.meters[-1].response_delay == (35 * MILLISECOND, 80 * MILLISECOND)
    assert str(bus.meters[0].clock(HOUR)) == "2025-06-30 13:00:00"
    port = Port(bus)
    port.send("10 5B 05 60 16")
    assert port.wait(character_time(9600, 5)) == bytes.fromhex("10 5B 05 60 16")


def test_same_seed_gives_the_same_bus_and_another_seed_another(tmp_path: Path) -> None:
    write(tmp_path, OWN, "own.yaml")
    path = write(tmp_path, BUS)

    def records(seed: int | None) -> list[bytes]:
        return [meter.records(0, HOUR) for meter in VirtualBus.from_yaml(path, seed).meters]

    assert records(None) == records(7) == records(7)
    assert records(7) != records(8)
    assert len(set(records(7))) == len(records(7))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("format: 1\n", ["1:1: 'meters' is missing"]),
        ("format: 1\nmeters: 5\n", ["2:9 meters: 5 is not a list"]),
        ("meters: []\n", ["1:1: 'format' is missing"]),
        ("format: '1'\nmeters: []\n", ["1:9 format: '1' is not 1, the only format there is"]),
        ("format: 1\nmeters: []\nfaults: [1]\n", ["3:10 faults[0]: 1 is not a mapping (key: value)"]),
        ("format: 1\nmeters: []\nline: {noise: 1}\n", ["3:15 line.noise: 1 is not a mapping (key: value)"]),
        ("format: 1\nmeters: []\nseed: x\n", ["3:7 seed: 'x' is not a whole number"]),
        ("format: 1\nmeters: []\nseed: 1.5\n", ["3:7 seed: 1.5 is not a whole number"]),
        (
            "format: 1\nmeters: []\nspeed: fast\n",
            ["3:8 speed: 'fast' is not a speed: real, max, or a factor such as 10"],
        ),
        ("format: 1\nmeters: []\nspeed: 0\n", ["3:8 speed: 0 is not a speed: real, max, or a factor such as 10"]),
        (
            "format: 1\nmeters: []\nline: {baud: 1200.0}\n",
            ["3:14 line.baud: 1200.0 is not one of 300, 600, 1200, 2400, 4800, 9600, 19200, 38400"],
        ),
        (
            "format: 1\nmeters: []\nline: {baud: 1234, parity: evn}\n",
            [
                "3:14 line.baud: 1234 is not one of 300, 600, 1200, 2400, 4800, 9600, 19200, 38400",
                "3:28 line.parity: 'evn' is not one of even, odd, none, did you mean 'even'?",
            ],
        ),
        ("format: 1\nmeters: []\nline: {echo: on}\n", ["3:14 line.echo: 'on' is not true or false"]),
        (
            "format: 1\nmeters: []\nepoch: tomorrow\n",
            ["3:8 epoch: 'tomorrow' is not a date and time such as 2026-01-01T00:00:00"],
        ),
        (
            "format: 1\nmeters: []\nepoch: 2026-01-01T00:00:00Z\n",
            ["3:8 epoch: a meter's clock has no time zone: write it without one"],
        ),
        (
            "format: 1\nmeters: []\nlisten: [udp://x]\n",
            [f"3:10 listen[0]: 'udp://x' is not an endpoint such as {EXAMPLES}"],
        ),
        (
            "format: 1\nmeters: []\nlisten: [tcp://127.0.0.1]\n",
            [f"3:10 listen[0]: 'tcp://127.0.0.1' is not an endpoint such as {EXAMPLES}"],
        ),
        (
            "format: 1\nmeters:\n  - {device: kamstrup/multical-603, address: 300}\n",
            ["3:46 meters[0].address: 300 is not in 0..250"],
        ),
        (
            "format: 1\nmeters:\n  - {device: kamstrup/multical-603, adress: 3}\n",
            ["3:37 meters[0]: unknown key 'adress', did you mean 'address'?"],
        ),
        ("format: 1\nmeters:\n  - {address: 3}\n", ["3:5 meters[0]: 'device' is missing"]),
        (
            "format: 1\nmeters:\n  - {device: kamstrup/multical-630}\n",
            [
                "3:14 meters[0].device: there is no device 'kamstrup/multical-630'"
                ", did you mean 'kamstrup/multical-603'?"
            ],
        ),
        (
            "format: 1\nmeters:\n  - {device: 5}\n",
            ['3:14 meters[0].device: 5 is a number here, text is wanted: write it in quotes ("5")'],
        ),
        (
            "format: 1\nmeters:\n  - {device: kamstrup/multical-603, count: 0}\n",
            ["3:44 meters[0].count: 0 is not in 1..2000"],
        ),
        (
            "format: 1\nmeters:\n  - {device: kamstrup/multical-603, address: 240, count: 20}\n",
            ["3:46 meters[0].address: 20 meters from address 240 on end at 259, beyond 250"],
        ),
        (
            "format: 1\nmeters:\n  - {device: kamstrup/multical-603}"
            "\n  - {device: kamstrup/flowiq-2101, address: 99}\n",
            ["4:45 meters[1].address: address 99 is that of meters[0] (allow_duplicate_addresses: true permits it)"],
        ),
        (
            "format: 1\nmeters: []\nline: {noise: {interval: 1s}, bit_errors: {to_slaves: 0.1}}\n",
            ["3:15 line.noise: a line without time has no disturbances: write speed: real, or a factor"],
        ),
        (
            "format: 1\nmeters: []\nspeed: real\nline: {noise: {interval: 0s, bytes: [3, 1], heard_by: all}}\n",
            [
                "4:26 line.noise.interval: 0 is no time to wait",
                "4:37 line.noise.bytes: a list is not a number of bytes from 1 to 1000, or two: the least and the most",
                "4:55 line.noise.heard_by: 'all' is not one of masters, slaves, both",
            ],
        ),
        (
            "format: 1\nmeters: []\nspeed: real\nline: {bit_errors: {to_slaves: 2, to_master: 0.1}}\n",
            [
                "4:32 line.bit_errors.to_slaves: 2 is not a probability from 0 to 1",
                "4:35 line.bit_errors: unknown key 'to_master', did you mean 'to_masters'?",
            ],
        ),
        (
            "format: 1\nmeters: []\nlisten: [{url: tcp://:1, gateway: {latency: 5, segment: 0, idle_close: 0s}}]\n",
            [
                "3:45 listen[0].gateway.latency: 5 has no unit: write a duration as 5ms, 5s, 5min, 5h or 5d",
                "3:57 listen[0].gateway.segment: 0 is not in 1..65536",
                "3:72 listen[0].gateway.idle_close: 0 is no time to wait",
            ],
        ),
        ("format: 1\nmeters: []\nlisten: [{echo: true}]\n", ["3:10 listen[0]: 'url' is missing"]),
        (
            "format: 1\nmeters: []\nlisten: [{url: tcp://:1, collision_slaves: 1}]\n",
            ["3:44 listen[0].collision_slaves: 1 is not in 2..2000"],
        ),
        ("format: 1\nmeters: []\nmeters: []\n", ["3:1: key 'meters' is there twice, first in line 2"]),
        ("", ["1:1: the file is empty"]),
    ],
)
def test_mistakes_in_a_bus_file(tmp_path: Path, text: str, lines: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DefinitionError) as caught:
        VirtualBus.from_yaml(path)
    assert str(caught.value).splitlines() == [f"{path}:{line}" for line in lines]


def test_mistakes_of_a_device_file_are_told_with_those_of_the_bus(tmp_path: Path) -> None:
    own = write(tmp_path, OWN.replace("version: 2", "version: 256"), "own.yaml")
    path = write(
        tmp_path,
        "format: 1\nmeters:\n  - {device: own.yaml}\n  - {device: own.yaml, address: 1}\n  - {device: absent.yaml}\n",
    )
    with pytest.raises(DefinitionError) as caught:
        VirtualBus.from_yaml(path)
    assert str(caught.value).splitlines() == [
        f"{path}:5:14 meters[2].device: there is no file '{tmp_path / 'absent.yaml'}'",
        f"{own}:2:38 device.version: 256 is not in 0..255",
    ]


def test_duplicate_addresses_may_be_allowed(tmp_path: Path) -> None:
    entry = "  - {device: kamstrup/flowiq-2101, address: 5}\n"
    bus = VirtualBus.from_yaml(write(tmp_path, f"format: 1\nallow_duplicate_addresses: true\nmeters:\n{entry}{entry}"))
    assert [(meter.address, meter.identification) for meter in bus.meters] == [(5, "65123478"), (5, "65123479")]


DISTURBED = """\
format: 1
seed: 3
speed: 10
line:
  parity: odd
  noise: {interval: 2s, bytes: [1, 3], heard_by: both}
  bit_errors: {to_slaves: 0.25, to_masters: 1}
listen:
  - {url: "tcp://127.0.0.1:0", echo: true, collision_break: 50ms, gateway: {latency: 20ms, one_in_flight: true}}
  - pty:///tmp/mbus0
meters: []
"""


def test_line_and_ports_of_a_bus_file(tmp_path: Path) -> None:
    bus = VirtualBus.from_yaml(write(tmp_path, DISTURBED))
    assert (bus.baud, bus.parity, bus.speed) == (2400, Parity.ODD, 10)
    assert bus._noise == Noise(2000 * MILLISECOND, 1, 3, to_masters=True, to_slaves=True)
    assert bus._errors == (0.25, 1.0)
    assert bus.listen == ("tcp://127.0.0.1:0", "pty:///tmp/mbus0")
    assert bus.options_of("pty:///tmp/mbus0") == PortOptions()
    assert bus.options_of("tcp://127.0.0.1:0") == PortOptions(
        echo=True,
        collision_break=50 * MILLISECOND,
        gateway=GatewayOptions(latency=20 * MILLISECOND, one_in_flight=True),
    )
