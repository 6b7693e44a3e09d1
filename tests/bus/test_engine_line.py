"""The engine with a line in its own time: what arrives at a port is what a UART makes of the wire."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.bus.engine import Send
from mbusbench.bus.noise import BitErrors, Noise
from mbusbench.bus.port import GatewayOptions, PortOptions
from mbusbench.line.wire import Parity, Transmission
from mbusbench.meter import catalogue
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.timing import bit_time, character_time
from mbusbench.trace.event import Kind, TraceEvent

MILLISECOND = 10**6
SECOND = 10**9
DELAY = 20 * MILLISECOND
RESET, REQUEST = "10 40 05 45 16", "10 7B 05 80 16"


def meter(address: int = 5, identification: str = "65123478", delay: int | None = DELAY, device: str = "") -> Meter:
    return Meter(
        catalogue.load(device or "kamstrup/flowiq-2101"),
        address=address,
        identification=identification,
        response_delay=None if delay is None else (delay, delay),
    )


class Line:
    """Ports of a bus, and all that reached them: (port, time, bytes in hexadecimal, P and F behind a wrong one)."""

    def __init__(self, bus: VirtualBus, *options: PortOptions | None) -> None:
        self.bus = bus
        self.now = 0
        self.ports = [bus.open_port(each) for each in options or (None,)]
        self.sends: list[Send] = []

    def send(self, text: str, port: int = 0) -> None:
        self.bus.receive(self.ports[port], bytes.fromhex(text), self.now)

    def wait(self, duration: int = SECOND) -> str:
        """Let time pass; what the first port got."""
        end = self.now + duration
        first = len(self.sends)
        while (due := self.bus.next_wakeup()) is not None and due <= end:
            self.now = max(self.now, due)
            self.sends += self.bus.poll(self.now)
        self.now = end
        self.sends += self.bus.poll(self.now)
        return self.shown(0, first)

    def ask(self, text: str, port: int = 0) -> str:
        self.send(text, port)
        return self.wait()

    def shown(self, port: int, first: int = 0) -> str:
        found = []
        for send in self.sends[first:]:
            if send.port == self.ports[port]:
                for index, value in enumerate(send.data):
                    flags = "P" * (index in send.parity_errors) + "F" * (index in send.framing_errors)
                    found.append(f"{value:02X}{flags}")
        return " ".join(found)

    def times(self, port: int = 0) -> list[int]:
        return [send.time for send in self.sends if send.port == self.ports[port]]


@pytest.mark.parametrize("baud", [300, 2400, 9600])
@pytest.mark.parametrize(
    ("bits", "received"),
    [
        (0, "E5"),
        (1, "C0P"),
        (2, "85"),
        (3, "21P"),
        (4, "45P"),
        (5, "A5F"),
        (6, "45F"),
        (7, "A5 FE"),
        (8, "65PF FE"),
        (9, "E5P F9P"),
        (10, "E5F F9P"),
        (11, "E5 E5"),
        (12, "E5 E5"),
    ],
)
def test_two_acknowledges_superpose_bit_by_bit(baud: int, bits: int, received: str) -> None:
    """The M-Bus 4.8, physical layer: any slave's space is the line's space; both meters have the same address."""
    late = DELAY + bit_time(baud, bits)
    line = Line(VirtualBus([meter(delay=DELAY), meter(delay=late)], baud=baud, speed=1))
    assert line.ask(RESET) == received


OWN = """\
format: 1
device: {manufacturer: 0x4024, version: 1, medium: 7, access_number: 1}
telegrams: [{records: [{dib: "03", vib: "13", value: 12565}]}]
"""


def test_two_aligned_telegrams_give_the_and_of_bytes_and_of_parity_bits(tmp_path: Path) -> None:
    """The M-Bus 4.8, physical layer: identification numbers 12345678 and 12367890, otherwise equal frames."""
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    device = Device.from_file(tmp_path / "own.yaml")
    meters = [
        Meter(device, address=1, identification=each, response_delay=(DELAY, DELAY))
        for each in ("12345678", "12367890")
    ]
    line = Line(VirtualBus(meters, speed=1))
    assert line.ask("10 7B 01 7C 16") == (
        "68 14 14 68 08 01 72 10P 50 34P 12 24 40 01 07 01 00 00 00 03 13 15 31 00 10 16"
    )


def test_without_time_collisions_are_aligned_and_have_parity_errors_too() -> None:
    """The M-Bus 4.8, physical layer."""
    meters = [meter(identification="11111111"), meter(identification="22222222")]
    line = Line(VirtualBus(meters))
    reply = line.ask(REQUEST).split()
    assert reply[7:11] == ["00"] * 4
    line = Line(VirtualBus([meter(identification="12345678"), meter(identification="12367890")]))
    assert line.ask(REQUEST).split()[7:11] == ["10P", "50", "34P", "12"]


def test_slaves_on_one_address_drift_apart_by_their_own_jitter() -> None:
    """EN 13757-2: each slave answers within the response window, when it likes."""
    line = Line(VirtualBus([meter(delay=None), meter(delay=None)], speed=1, seed=1))
    answers = {line.ask(RESET) for _ in range(20)}
    assert len(answers) > 1
    again = Line(VirtualBus([meter(delay=None), meter(delay=None)], speed=1, seed=1))
    assert answers == {again.ask(RESET) for _ in range(20)}
    assert line.sends == again.sends
    other = Line(VirtualBus([meter(delay=None), meter(delay=None)], speed=1, seed=2))
    for _ in range(20):
        other.ask(RESET)
    assert other.sends != line.sends


def test_a_broadcast_reset_to_many_slaves_ends_in_rubble_not_in_silence() -> None:
    """EN 13757-2: address 254 is answered by all."""
    line = Line(VirtualBus([meter(address, delay=None) for address in range(1, 101)], speed=1))
    assert line.ask("10 40 FE 3E 16") not in ("", "E5")


def test_every_port_hears_every_answer() -> None:
    """The M-Bus 4.8: slaves modulate the current, which all level converters on the line see."""
    line = Line(VirtualBus([meter()], speed=1), None, None)
    line.ask(RESET, port=1)
    assert line.shown(0) == line.shown(1) == "E5"
    assert line.times(0) == line.times(1)


def test_requests_of_two_masters_collide_on_the_wire() -> None:
    """EN 13757-2: there is one master; two at once garble each other's requests."""
    line = Line(VirtualBus([meter(), meter(6)], speed=1), None, None)
    line.send(RESET, 0)
    line.send("10 40 06 46 16", 1)
    assert line.wait() == ""
    line.send(RESET, 0)
    line.wait(10 * MILLISECOND)
    line.send("10 40 06 46 16", 1)
    assert line.wait() == ""
    # One after the other they are heard, and so are two that send the same bits at the same time.
    line.send(RESET, 0)
    line.send(RESET, 1)
    assert line.wait() == "E5"
    assert line.ask("10 40 06 46 16", 1) == "E5"


def test_answers_to_both_masters_superpose() -> None:
    """The M-Bus 4.8, physical layer: an answer under way is not protected from another one."""
    line = Line(VirtualBus([meter(), meter(6, delay=2 * DELAY)], speed=1), None, None)
    alone = line.ask(REQUEST)
    line.send(REQUEST, 0)
    line.wait(30 * MILLISECOND)
    line.send("10 40 06 46 16", 1)
    assert line.wait() != alone
    assert line.ask("10 4B 05 50 16").split()[:15] == alone.split()[:15]


@pytest.mark.parametrize("baud", [300, 600, 1200, 2400, 4800, 9600, 19200, 38400])
def test_a_slave_answers_at_the_rates_that_it_knows_and_is_silent_at_others(baud: int) -> None:
    """EN 13757-2: the rates of the data link layer; the meter recognises 300, 2400 and 9600 by itself."""
    line = Line(VirtualBus([meter()], speed=1))
    line.bus.set_port_format(line.ports[0], baud, Parity.EVEN)
    assert line.ask(RESET) == ("E5" if baud in (300, 2400, 9600) else "")


def test_an_answer_at_another_rate_than_the_port_s_is_garbage() -> None:
    """EN 13757-2: an answer has the rate of its request, whoever listens."""
    line = Line(VirtualBus([meter()], speed=1), None, None)
    line.bus.set_port_format(line.ports[1], 300, Parity.EVEN)
    assert line.ask(RESET) == "E5"
    assert line.shown(1) not in ("", "E5")


def test_a_request_at_a_foreign_rate_deafens_for_33_bit_times() -> None:
    """EN 13757-2: behind what is no frame the line has to be idle for 33 bit times."""
    for pause, heard in ((32, ""), (34, "E5")):
        line = Line(VirtualBus([meter()], speed=1), None, None)
        line.bus.set_port_format(line.ports[1], 38400, Parity.EVEN)
        line.send("FF", 1)
        line.wait(character_time(38400) + bit_time(2400, pause))
        assert line.ask(RESET) == heard


@pytest.mark.parametrize("parity", [Parity.ODD, Parity.NONE])
def test_wrong_parity_is_not_answered(parity: Parity) -> None:
    """EN 13757-2: even parity; a character with another one spoils the frame."""
    line = Line(VirtualBus([meter()], speed=1))
    line.bus.set_port_format(line.ports[0], 2400, parity)
    assert line.ask(RESET) == ""
    line.bus.set_port_format(line.ports[0], 2400, Parity.EVEN)
    assert line.ask(RESET) == "E5"


@pytest.mark.parametrize("parity", list(Parity))
def test_a_whole_bus_may_have_another_parity(parity: Parity) -> None:
    line = Line(VirtualBus([meter()], speed=1, parity=parity))
    assert line.ask(RESET) == "E5"


@pytest.mark.parametrize(("bits", "answer"), [(0, ""), (20, ""), (32, ""), (33, "E5"), (40, "E5")])
def test_junk_before_a_request_needs_33_bit_times_of_idle_line(bits: int, answer: str) -> None:
    """EN 13757-2, format class FT 1.2."""
    line = Line(VirtualBus([meter()], speed=1))
    line.send("00 FF")
    line.wait(character_time(2400, 2) + bit_time(2400, bits) + 1)
    assert line.ask(RESET) == answer


@pytest.mark.parametrize(("bits", "answer"), [(0, "E5"), (10, "E5"), (22, "E5"), (23, ""), (32, ""), (40, "")])
def test_pauses_in_a_request_are_borne_up_to_22_bit_times(bits: int, answer: str) -> None:
    """EN 13757-2, format class FT 1.2: no idle line between the characters of a frame."""
    line = Line(VirtualBus([meter()], speed=1))
    line.send("10 40")
    line.wait(character_time(2400, 2) + bit_time(2400, bits))
    line.send("05 45 16")
    assert line.wait() == answer
    assert line.ask(RESET) == "E5"


def test_wrong_checksum_spoils_what_follows_without_a_pause() -> None:
    """EN 13757-2, format class FT 1.2: after an error 33 bit times of idle line; no search for the next frame."""
    line = Line(VirtualBus([meter()], speed=1))
    assert line.ask("10 40 05 46 16 10 40 05 45 16") == ""
    assert line.ask("68 03 03 68 53 05 50 A9 16") == ""
    assert line.ask("10 40 05 45 16 10 40 05 45 16") == "E5 E5"


def test_a_request_that_hides_in_a_broken_one_is_not_found() -> None:
    """EN 13757-2, format class FT 1.2: a slave does not look for frames in frames."""
    line = Line(VirtualBus([meter()], speed=1))
    assert line.ask("68 1F 1F 68 53 01 10 40 05 45 16") == ""
    assert line.ask(RESET) == "E5"


def test_each_frame_of_a_burst_is_answered_after_its_own_end() -> None:
    """EN 13757-2: the response delay runs from the end of the request, not from the end of what came with it."""
    line = Line(VirtualBus([meter()], speed=1))
    line.ask("10 40 05 45 16 10 40 05 45 16 10")
    ends = [character_time(2400, 5), character_time(2400, 10)]
    assert line.times() == pytest.approx([end + DELAY + character_time(2400) for end in ends], abs=2)


def test_answer_begins_11_bit_times_after_the_request_at_the_earliest() -> None:
    """EN 13757-2: the shortest response delay; without one of its own a meter takes 3 to 5 ms more."""
    line = Line(VirtualBus([meter(delay=None)], baud=300, speed=1))
    delays = []
    for _ in range(20):
        begin = line.now
        line.ask(RESET)
        delays.append(line.times()[-1] - begin - character_time(300, 6))
    shortest = bit_time(300, 11) + 3 * MILLISECOND
    assert all(shortest - 2 <= delay <= shortest + 2 * MILLISECOND + 2 for delay in delays)
    assert len(set(delays)) > 10


def test_echo_of_a_level_converter_comes_character_by_character() -> None:
    """Level converters that return what the master sends."""
    line = Line(VirtualBus([meter()], speed=1), PortOptions(echo=True), None)
    assert line.ask(RESET) == "10 40 05 45 16 E5"
    assert line.times()[:5] == [character_time(2400, count) for count in range(1, 6)]
    assert line.shown(1) == "E5"


def test_level_converter_sends_a_break_when_slaves_collide() -> None:
    """Level converters with collision detection: a break is 00 with a framing error."""
    options = PortOptions(collision_break=50 * MILLISECOND)
    line = Line(VirtualBus([meter(), meter(delay=DELAY + bit_time(2400, 2))], speed=1), options, None)
    # The first space of both is the second bit of the later answer: from there on the port is in break.
    assert line.ask(RESET) == "01PF"
    assert line.shown(1) == "85"


def test_level_converter_sends_a_long_break_when_too_many_slaves_answer() -> None:
    """Level converters with overload protection."""
    options = PortOptions(overload_break=100 * MILLISECOND, overload_slaves=4)
    few = Line(VirtualBus([meter() for _ in range(3)], speed=1), options)
    assert few.ask(RESET) == "E5"
    assert few.ask("10 40 FE 3E 16") == "E5"
    many = Line(VirtualBus([meter() for _ in range(4)], speed=1), options)
    assert "F" in many.ask(RESET)


def test_gateway_delays_cuts_and_closes() -> None:
    """Serial-to-TCP gateways: latency, segments, idle close."""
    options = PortOptions(
        gateway=GatewayOptions(latency=100 * MILLISECOND, segment=10, quiet=5 * MILLISECOND, idle_close=10 * SECOND)
    )
    line = Line(VirtualBus([meter()], speed=1), options)
    assert line.ask(REQUEST) != ""
    lengths = [len(send.data) for send in line.sends]
    assert lengths[:-1] == [10] * (len(lengths) - 1)
    first = 100 * MILLISECOND + character_time(2400, 5) + DELAY + character_time(2400, 10) + 100 * MILLISECOND
    assert line.times()[0] == pytest.approx(first, abs=5)
    assert line.wait(20 * SECOND) == ""
    assert line.sends[-1].closes
    assert line.sends[-1].time == pytest.approx(
        line.times()[-2] - 100 * MILLISECOND + 10 * SECOND, abs=10 * MILLISECOND
    )
    assert line.bus.port_count == 0


def test_gateway_lets_one_request_through_at_a_time() -> None:
    """Serial-to-TCP gateways with one request in flight."""
    free = Line(VirtualBus([meter(), meter(6)], speed=1), PortOptions(gateway=GatewayOptions()))
    gated = Line(VirtualBus([meter(), meter(6)], speed=1), PortOptions(gateway=GatewayOptions(one_in_flight=True)))
    for line in (free, gated):
        line.send(RESET)
        line.send("10 40 06 46 16")
        assert line.wait() == "E5 E5"
    assert free.times()[1] - free.times()[0] < 30 * MILLISECOND
    assert gated.times()[1] - gated.times()[0] > 90 * MILLISECOND


def test_noise_comes_on_the_idle_line_and_only_with_a_seed_s_own_times() -> None:
    """Noise on the line that masters listen to: characters that nobody sent."""
    noise = Noise(interval=SECOND, shortest=1, longest=3)
    line, again, other = (Line(VirtualBus([meter()], speed=1, noise=noise, seed=seed)) for seed in (1, 1, 2))
    for each in (line, again, other):
        each.wait(100 * SECOND)
    assert 60 < len({send.time // (SECOND // 10) for send in line.sends}) < 250
    assert line.sends == again.sends
    assert line.sends != other.sends
    silent = Line(VirtualBus([meter()], speed=1, seed=1))
    assert silent.wait(100 * SECOND) == ""


def test_noise_to_slaves_spoils_requests_and_is_not_heard_by_masters() -> None:
    """EN 13757-2, format class FT 1.2: noise right before a request costs the request."""
    noise = Noise(interval=50 * MILLISECOND, to_masters=False, to_slaves=True)
    line = Line(VirtualBus([meter()], speed=1, noise=noise))
    answers = [line.ask(RESET) for _ in range(50)]
    assert 0 < answers.count("E5") < 50
    assert set(answers) == {"E5", ""}


def test_bit_errors_spoil_either_direction_by_itself() -> None:
    """EN 13757-2: a wrong bit is found by parity, checksum or stop bit."""
    to_slaves = Line(VirtualBus([meter()], speed=1, errors_to_slaves=0.01))
    answers = [to_slaves.ask(RESET) for _ in range(100)]
    assert set(answers) == {"E5", ""}
    to_masters = Line(VirtualBus([meter()], speed=1, errors_to_masters=0.01))
    right = Line(VirtualBus([meter()], speed=1)).ask(REQUEST)
    answers = [to_masters.ask(REQUEST.replace("7B", "4B").replace("80", "50")) for _ in range(20)]
    assert all(answers)
    assert any("P" in answer or "F" in answer for answer in answers)
    assert Line(VirtualBus([meter()], speed=1, errors_to_masters=0)).ask(REQUEST) == right


def test_bit_errors_have_their_rate() -> None:
    errors = BitErrors(0.001, "x")
    flipped = [position + 1000 * number for number in range(1000) for position in errors.next(1000)]
    assert 800 < len(flipped) < 1200
    assert all(0 <= position < 1_000_000 for position in flipped)
    assert flipped == sorted(set(flipped))
    assert BitErrors(1, "x").next(10) == tuple(range(10))


def test_break_of_the_master_spoils_a_request_and_nothing_later() -> None:
    """EN 13757-2: a break is no character; the frame that it meets is lost."""
    line = Line(VirtualBus([meter()], speed=1))
    line.send("10 40")
    line.wait(character_time(2400, 2))
    line.bus.set_break(line.ports[0], True, line.now)
    line.wait(bit_time(2400, 20))
    line.bus.set_break(line.ports[0], False, line.now)
    line.send("05 45 16")
    assert line.wait() == ""
    assert line.ask(RESET) == "E5"


def test_power_cycle_cuts_an_answer_off() -> None:
    """The M-Bus 4.8: slaves fed by the bus lose what they were doing."""
    line = Line(VirtualBus([meter()], speed=1))
    whole = line.ask(REQUEST)
    line.send(REQUEST)
    begun = line.wait(character_time(2400, 5) + DELAY + character_time(2400, 10))
    line.bus.power_cycle(line.now)
    assert begun + line.wait() == whole[: 10 * 3 - 1]


def test_power_cycle_cuts_off_an_answer_of_which_a_later_port_did_not_hear_the_begin() -> None:
    bus = VirtualBus([meter()], speed=1)
    line = Line(bus)
    line.send(REQUEST)
    line.wait(character_time(2400, 5) + DELAY + character_time(2400, 10))
    bus.close_port(line.ports[0], line.now)
    line.ports[0] = bus.open_port(now=line.now)
    line.wait(character_time(2400, 5))
    bus.power_cycle(line.now)
    assert line.wait() == ""
    assert line.ask(RESET) == "E5"


def test_power_cycle_of_one_slave_leaves_the_others_alone() -> None:
    """The M-Bus 4.8: a slave with a supply of its own."""
    line = Line(VirtualBus([meter(), meter(6)], speed=1))
    line.send(RESET)
    line.wait(30 * MILLISECOND)
    line.bus.power_cycle(line.now, line.bus.slaves[1])
    assert line.wait() == "E5"
    line.send(RESET)
    line.wait(30 * MILLISECOND)
    line.bus.power_cycle(line.now, line.bus.slaves[0])
    assert line.wait() == ""


def test_bus_that_lives_faster_does_everything_sooner() -> None:
    slow = Line(VirtualBus([meter()], baud=300, speed=1))
    fast = Line(VirtualBus([meter()], baud=300, speed=10))
    assert slow.ask(RESET) == fast.ask(RESET) == "E5"
    assert fast.times()[0] == pytest.approx(slow.times()[0] / 10, abs=1)


def test_whole_answers_come_at_the_end_of_their_last_character_and_say_how_long() -> None:
    line, characters = (Line(VirtualBus([meter()], speed=1)) for _ in range(2))
    port = line.ports[0]
    line.bus.take_whole_answers(port)
    line.send(REQUEST)
    begin = character_time(2400, 5) + DELAY
    assert line.wait(begin + character_time(2400) - 1) == ""
    assert line.bus.busy_until(port, line.now) == 0
    line.wait(1)
    until = line.bus.busy_until(port, line.now)
    assert line.wait() == characters.ask(REQUEST)
    assert len(line.sends) == 1
    assert line.times() == [until] == characters.times()[-1:]
    # On request the rest comes by characters after all.
    line.send(REQUEST)
    line.wait(begin + character_time(2400, 3))
    line.bus.unfold(port, line.now)
    assert line.wait().startswith("68 68 68")
    assert len(line.sends) > 90


def test_disturbed_answers_come_by_characters_even_where_whole_ones_are_wanted() -> None:
    line = Line(VirtualBus([meter(), meter(delay=DELAY + bit_time(2400, 8))], speed=1))
    line.bus.take_whole_answers(line.ports[0])
    assert line.ask(RESET) == "65PF FE"
    assert len(line.sends) == 2


def test_hang_up_closes_a_port_behind_what_it_was_sent() -> None:
    line = Line(VirtualBus([meter()], speed=1), None, None)
    line.send(REQUEST)
    line.bus.hang_up(line.ports[0], character_time(2400, 5) + DELAY + character_time(2400, 3) + 9)
    assert line.wait() == "68 68 68"
    assert [send.port for send in line.sends if send.closes] == line.ports[:1]
    assert line.shown(1).startswith("68 68 68 68")
    assert line.bus.port_count == 1


def test_a_signal_of_nobody_is_heard_by_all_masters() -> None:
    line = Line(VirtualBus([meter()], speed=1), None, None)
    line.bus.at(5, lambda time: line.bus.put(Transmission(time, b"\x42", 2400)))
    line.wait()
    assert line.shown(0) == line.shown(1) == "42"


def traced(seed: int) -> list[TraceEvent]:
    events: list[TraceEvent] = []
    noise = Noise(interval=300 * MILLISECOND, longest=3, to_slaves=True)
    meters = [meter(address, f"{address:08d}", delay=None) for address in range(1, 6)] + [meter(5, "99999999", None)]
    bus = VirtualBus(meters, speed=1, seed=seed, noise=noise, errors_to_slaves=1e-4, errors_to_masters=1e-4)
    bus.trace = events.append
    line = Line(bus, None, PortOptions(echo=True, collision_break=50 * MILLISECOND))
    random = Random(7)
    for _ in range(100):
        address = random.randint(1, 6)
        line.ask(f"10 4B {address:02X} {0x4B + address:02X} 16", port=random.randint(0, 1))
    return events


def test_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    first = traced(1)
    assert first == traced(1)
    assert first != traced(2)
    assert {event.kind for event in first} == {Kind.NOTE, Kind.MASTER, Kind.SLAVE, Kind.RECEIVED, Kind.NOISE}


def test_trace_tells_request_answer_and_what_arrived() -> None:
    line = Line(VirtualBus([meter()], speed=1))
    events: list[TraceEvent] = []
    line.bus.trace = events.append
    line.ask(RESET)
    master, received, slave = sorted(events, key=lambda event: (event.time, event.kind))
    assert (master.kind, master.time, master.data.hex()) == (Kind.MASTER, 0, "1040054516")
    assert master.end == character_time(2400, 5)
    assert (slave.kind, slave.time, slave.delay) == (Kind.SLAVE, master.end + DELAY, DELAY)
    assert (slave.source, slave.data, slave.baud) == ("slave 5", b"\xe5", 2400)
    assert (received.kind, received.time, received.data) == (Kind.RECEIVED, slave.time, b"\xe5")
    assert received.end == slave.end


def test_trace_has_one_event_for_characters_without_a_pause() -> None:
    line = Line(VirtualBus([meter()], speed=1))
    events: list[TraceEvent] = []
    line.bus.trace = events.append
    answer = bytes.fromhex(line.ask(REQUEST))
    assert [event.data for event in events if event.kind is Kind.RECEIVED] == [answer]


def test_two_masters_that_flood_the_line_cost_little_and_harm_nobody_for_long() -> None:
    """EN 13757-2: a slave is deaf until the line was idle, and no longer."""
    line = Line(VirtualBus([meter()], speed=1), PortOptions(echo=True), None)
    looked_at: list[int] = []
    receive = line.bus._line._hearing._hear  # type: ignore[union-attr]
    line.bus._line._hearing._hear = lambda *heard: (looked_at.append(1), receive(*heard))  # type: ignore
    for _ in range(3):
        line.send("68" * 5000, 0)
        line.send("55" * 5000, 1)
    line.wait(30 * SECOND)
    assert len(looked_at) < 2 * 4096 + 10
    assert line.ask(RESET) == "10 40 05 45 16 E5"
