"""The answer matrix of EN 13757-2 and The M-Bus 4.8: every control field on every kind of address."""

from __future__ import annotations

import pytest

from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame
from mbusbench.protocol.slave.settings import SndUd2
from tests.protocol.slave_bench import SECOND_NS, WIRE_ADDRESS, Bench

SILENCE, DATA, BUSY = "silence", "RSP_UD", "busy"
# Own address, unconfigured, 254, 253 selected, 253 not selected, 255.
ADDRESSES = [(5, 5, False), (0, 0, False), (5, 254, False), (5, 253, True), (5, 253, False), (5, 255, False)]
ANSWERED = (True, True, True, True, False, False)
CLOCK = b"\x04\x6d\x2d\x2d\x11\x35"


def kind(reply: Frame | None) -> str:
    if reply is None:
        return SILENCE
    if isinstance(reply, LongFrame):
        assert reply.control == 0x08
        return {0x72: DATA, 0x70: BUSY}[reply.ci]
    assert reply == ACK
    return "E5"


def short_answer(control: int) -> str:
    """What a slave that is spoken to owes to a short frame."""
    if control in (0x40, 0x60):
        return "E5"
    if control in (0x4A, 0x5A, 0x6A, 0x7A):
        return "E5"
    return DATA if control in (0x4B, 0x5B, 0x6B, 0x7B) else SILENCE


def answers(own: int, address: int, selected: bool, frame: Frame, **settings: object) -> str:
    bench = Bench(address=own, **settings)  # type: ignore[arg-type]
    if selected:
        bench.select()
    return kind(bench.receive(frame))


@pytest.mark.parametrize("control", range(256), ids="C {:02X}".format)
def test_short_frame_is_answered_as_the_matrix_says(control: int) -> None:
    for (own, address, selected), answered in zip(ADDRESSES, ANSWERED, strict=True):
        expected = short_answer(control) if answered else SILENCE
        assert answers(own, address, selected, ShortFrame(control, address)) == expected, (own, address, selected)


@pytest.mark.parametrize("control", range(256), ids="C {:02X}".format)
@pytest.mark.parametrize(("ci", "data"), [(0x51, CLOCK), (0x50, b""), (0xA0, b""), (0x72, b"")])
def test_long_frame_is_answered_as_the_matrix_says(control: int, ci: int, data: bytes) -> None:
    sends = control in (0x43, 0x53, 0x63, 0x73)
    for (own, address, selected), answered in zip(ADDRESSES, ANSWERED, strict=True):
        expected = "E5" if answered and sends else SILENCE
        assert answers(own, address, selected, LongFrame(control, address, ci, data)) == expected, (address, selected)


@pytest.mark.parametrize("control", [0x43, 0x53, 0x63, 0x73])
def test_selection_is_answered_on_253_only(control: int) -> None:
    for own, address, selected in ADDRESSES:
        expected = "E5" if address == 253 else SILENCE
        assert answers(own, address, selected, LongFrame(control, address, 0x52, WIRE_ADDRESS)) == expected
        assert answers(own, address, selected, LongFrame(control, address, 0x56, WIRE_ADDRESS)) == SILENCE


@pytest.mark.parametrize("control", [0x43, 0x53, 0x63, 0x73])
def test_broadcast_is_executed_in_silence(control: int) -> None:
    bench = Bench()
    assert bench.receive(LongFrame(control, 255, 0x51, CLOCK)) is None
    assert bench.device.shown is not None


def test_what_a_slave_does_not_answer_it_does_not_execute() -> None:
    for control, address in [(0x73, 253), (0x73, 6), (0x5B, 5), (0x13, 5), (0xF3, 5)]:
        bench = Bench()
        assert bench.receive(LongFrame(control, address, 0x51, CLOCK)) is None
        assert bench.device.shown is None


@pytest.mark.parametrize("control", [0x4B, 0x5B, 0x6B, 0x7B])
def test_busy_slave_answers_a_request_with_the_application_error_where_it_answers_at_all(control: int) -> None:
    for (own, address, selected), answered in zip(ADDRESSES, ANSWERED, strict=True):
        frame = ShortFrame(control, address)
        expected = BUSY if answered else SILENCE
        assert answers(own, address, selected, frame, busy=[(0, SECOND_NS)]) == expected


@pytest.mark.parametrize("address", [1, 4, 6, 250, 251, 252])
def test_other_addresses_are_not_answered(address: int) -> None:
    bench = Bench()
    for control in range(256):
        assert bench.short(control, address) is None
        assert bench.receive(LongFrame(control, address, 0x51, CLOCK)) is None


@pytest.mark.parametrize(
    ("setting", "reply", "executes"),
    [(SndUd2.ACKNOWLEDGE, "E5", True), (SndUd2.REFUSE, "A2", False), (SndUd2.RESPOND, DATA, True)],
)
def test_snd_ud2_of_the_2018_edition(setting: SndUd2, reply: str, executes: bool) -> None:
    """EN 13757-2:2018: C field 43 asks for RSP_UD at once; A2 says that this is not supported."""
    bench = Bench(snd_ud2=setting)
    answer = bench.receive(LongFrame(0x43, 5, 0x51, CLOCK))
    assert answer is not None
    assert answer.encode().hex().upper() == reply if reply != DATA else kind(answer) == DATA
    assert (bench.device.shown is not None) is executes
    assert kind(bench.receive(LongFrame(0x63, 5, 0x51, CLOCK))) == "E5"


def test_broadcast_snd_ud2_is_not_executed_by_a_slave_that_refuses_it() -> None:
    bench = Bench(snd_ud2=SndUd2.REFUSE)
    assert bench.receive(LongFrame(0x43, 255, 0x51, CLOCK)) is None
    assert bench.device.shown is None
