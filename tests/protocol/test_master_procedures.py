"""The master's procedures run by hand: outcomes in, exchanges and results out, without a link or a loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pytest

from mbusbench.codec.address import SecondaryAddress
from mbusbench.codec.frame import ACK, LongFrame
from mbusbench.codec.telegram import Telegram
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Collision, FailureKind, Garbled, Outcome, Reply, Silence, WrongAddress
from mbusbench.protocol.procedures import Procedure
from mbusbench.protocol.procedures.ping import identify, ping
from mbusbench.protocol.procedures.readout import readout, readout_by_secondary_address
from mbusbench.protocol.procedures.reset import link_reset
from mbusbench.protocol.procedures.select import select

Result = TypeVar("Result")

HEADER = bytes.fromhex("78563412 24232807 AC000000")
LAST = LongFrame(0x08, 5, 0x72, HEADER + bytes.fromhex("0C1301000000"))
FIRST = LongFrame(0x08, 5, 0x72, HEADER + bytes.fromhex("4C1302000000 1F"))

ACKNOWLEDGED = Reply(ACK)
NKE = "1040054516"
REQ_1 = "107B058016"
REQ_0 = "105B056016"
METER = SecondaryAddress.parse("1234567824232807")


def decode(frame: LongFrame) -> Telegram:
    return Telegram.decode(frame.ci, frame.data)


def run(procedure: Procedure[Result], outcomes: Iterable[Outcome]) -> tuple[list[str], Result]:
    """What the procedure sends when its exchanges come to `outcomes`, all of which it has to use; and its result."""
    sent = []
    pending = iter(outcomes)
    try:
        exchange = next(procedure)
        while True:
            sent.append(exchange.request.encode().hex().upper())
            exchange = procedure.send(next(pending))
    except StopIteration as stop:
        assert next(pending, None) is None, "not all outcomes were asked for"
        return sent, stop.value


def test_acknowledged_reset_makes_the_link_known() -> None:
    fcb = MasterFcb()
    assert run(link_reset(5, fcb), [ACKNOWLEDGED]) == ([NKE], None)
    assert fcb.is_known(5)


def test_unanswered_reset_leaves_the_link_unknown() -> None:
    fcb = MasterFcb()
    fcb.reset(5)
    _, failed = run(link_reset(5, fcb), [Silence(3)])
    assert failed is not None
    assert (failed.kind, failed.attempts) == (FailureKind.NO_ANSWER, 3)
    assert not fcb.is_known(5)


def test_readout_toggles_after_each_good_telegram() -> None:
    fcb = MasterFcb()
    sent, result = run(readout(5, fcb, decode), [ACKNOWLEDGED, Reply(FIRST), Reply(LAST)])
    assert sent == [NKE, REQ_1, REQ_0]
    assert (result.address, len(result.telegrams), result.failure) == (5, 2, None)
    assert fcb.request_bit(5) == 1


@pytest.mark.parametrize(
    "outcome", [Silence(3), Garbled((), 3), Collision((), 3), WrongAddress(LongFrame(8, 6, 0x72), 3)]
)
def test_failed_exchange_is_followed_by_one_restart_from_the_first_telegram(outcome: Outcome) -> None:
    fcb = MasterFcb()
    outcomes = [ACKNOWLEDGED, Reply(FIRST), outcome, ACKNOWLEDGED, Reply(FIRST), Reply(LAST)]
    sent, result = run(readout(5, fcb, decode), outcomes)
    assert sent == [NKE, REQ_1, REQ_0, NKE, REQ_1, REQ_0]
    assert len(result.telegrams) == 2
    assert result.failure is None


def test_second_failure_ends_the_readout_and_the_link_is_unknown() -> None:
    fcb = MasterFcb()
    sent, result = run(readout(5, fcb, decode), [ACKNOWLEDGED, Silence(3), ACKNOWLEDGED, Garbled((), 3)])
    assert sent == [NKE, REQ_1] * 2
    assert result.failure is not None
    assert result.failure.kind is FailureKind.GARBLED
    assert not fcb.is_known(5)


def test_unanswered_second_reset_leaves_the_first_failure() -> None:
    _, result = run(readout(5, MasterFcb(), decode), [ACKNOWLEDGED, Garbled((), 3), Silence(3)])
    assert result.failure is not None
    assert result.failure.kind is FailureKind.GARBLED


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (ACK, FailureKind.NO_DATA),
        (LongFrame(8, 5, 0x70, b"\x08"), FailureKind.APPLICATION_ERROR),
        (LongFrame(8, 5, 0xB7, b"\x08\x00"), FailureKind.DECODE),
        (LongFrame(8, 5, 0x72, b"\x08\x00"), FailureKind.DECODE),
    ],
)
def test_what_the_slave_says_is_not_asked_again(frame: LongFrame, kind: FailureKind) -> None:
    sent, result = run(readout(5, MasterFcb(), decode), [ACKNOWLEDGED, Reply(frame)])
    assert sent == [NKE, REQ_1]
    assert result.failure is not None
    assert result.failure.kind is kind


def test_first_telegram_again_after_a_repeat_restarts_the_readout() -> None:
    again = LongFrame(0x08, 5, 0x72, FIRST.data[:-3] + b"\x07\x00\x1f")
    outcomes = [ACKNOWLEDGED, Reply(FIRST), Reply(again, attempts=2), ACKNOWLEDGED, Reply(FIRST), Reply(LAST)]
    sent, result = run(readout(5, MasterFcb(), decode), outcomes)
    assert sent == [NKE, REQ_1, REQ_0] * 2
    assert result.failure is None


def test_telegrams_of_the_same_layout_are_all_taken() -> None:
    """Without a lost answer between them nothing speaks against them: some meters send histories like that."""
    again = LongFrame(0x08, 5, 0x72, FIRST.data[:-3] + b"\x07\x00\x1f")
    _, result = run(readout(5, MasterFcb(), decode), [ACKNOWLEDGED, Reply(FIRST), Reply(again), Reply(LAST)])
    assert len(result.telegrams) == 3


def test_e5_after_the_last_telegram_ends_the_readout() -> None:
    sent, result = run(readout(5, MasterFcb(), decode), [ACKNOWLEDGED, Reply(FIRST), Reply(ACK), Reply(ACK)])
    assert sent == [NKE, REQ_1, REQ_0, REQ_0]
    assert (len(result.telegrams), result.failure, result.ended) == (1, None, True)


def test_e5_instead_of_a_telegram_is_asked_about_again() -> None:
    sent, result = run(readout(5, MasterFcb(), decode), [ACKNOWLEDGED, Reply(FIRST), Reply(ACK), Reply(LAST)])
    assert sent == [NKE, REQ_1, REQ_0, REQ_0]
    assert (len(result.telegrams), result.failure, result.ended) == (2, None, False)


def test_selection_tries_both_c_fields_and_resets_the_bits_of_253() -> None:
    fcb = MasterFcb()
    fcb.success(253)
    sent, failed = run(select(METER, fcb), [Silence(1), Silence(2), ACKNOWLEDGED])
    assert failed is None
    assert sent == [
        "1040FD3D16",
        "680B0B6873FD5278563412242328074C16",
        "680B0B6853FD5278563412242328072C16",
    ]
    assert fcb.request_bit(253) == 1


def test_deselection_waits_for_all_slaves_that_acknowledge_it() -> None:
    deselection = next(select(METER, MasterFcb()))
    assert deselection.request.encode().hex().upper() == "1040FD3D16"
    assert deselection.alone


def test_collision_at_a_selection_by_wildcards_is_not_tried_with_the_other_c_field() -> None:
    mask = SecondaryAddress.parse("1234567FFFFFFFFF")
    sent, failed = run(select(mask, MasterFcb()), [Silence(1), Collision((), 2)])
    assert len(sent) == 2
    assert failed is not None
    assert failed.kind is FailureKind.COLLISION


def test_collision_where_only_one_slave_can_be_meant_is_the_lines_and_tried_again() -> None:
    sent, failed = run(select(METER, MasterFcb()), [Silence(1), Collision((), 2), Reply(ACK)])
    assert len(sent) == 3
    assert failed is None


def test_readout_by_secondary_address_reads_at_253() -> None:
    sent, result = run(
        readout_by_secondary_address(METER, MasterFcb(), decode), [ACKNOWLEDGED, ACKNOWLEDGED, Reply(LAST)]
    )
    assert sent[-1] == "107BFD7816"
    assert result.failure is None


@pytest.mark.parametrize(
    ("ci", "data", "accepted"),
    [
        (0x72, HEADER, True),
        (0x72, b"\x79" + HEADER[1:], False),
        (0x72, HEADER[:6] + b"\x29" + HEADER[7:], False),
        (0x76, bytes.fromhex("12345678 2324 28 07 AC 00 0000"), True),
        (0x76, HEADER, False),
        (0x73, bytes.fromhex("78563412 0A 00 E9 7E 01000000 35010000"), True),
        (0x73, bytes.fromhex("79563412 0A 00 E9 7E 01000000 35010000"), False),
        (0x70, b"\x08", True),
        (0x72, b"\x78", True),
    ],
)
def test_data_count_unless_their_header_names_another_slave(ci: int, data: bytes, accepted: bool) -> None:
    procedure = readout_by_secondary_address(METER, MasterFcb(), decode)
    next(procedure)
    procedure.send(ACKNOWLEDGED)
    exchange = procedure.send(ACKNOWLEDGED)
    assert exchange.accepts is not None
    assert exchange.accepts(LongFrame(8, 5, ci, data)) is accepted


def test_wildcards_accept_what_they_match() -> None:
    procedure = readout_by_secondary_address(SecondaryAddress("1234567F"), MasterFcb(), decode)
    next(procedure)
    procedure.send(ACKNOWLEDGED)
    exchange = procedure.send(ACKNOWLEDGED)
    assert exchange.accepts is not None
    assert exchange.accepts(LAST)


def test_ping_asks_for_an_acknowledge_that_stands_alone() -> None:
    procedure = ping(5, MasterFcb())
    assert next(procedure).alone


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ([Silence(2)], FailureKind.NO_ANSWER),
        ([Collision((), 2)], FailureKind.COLLISION),
        ([ACKNOWLEDGED, Garbled((), 3)], FailureKind.COLLISION),
        ([ACKNOWLEDGED, Silence(3), Silence(2)], FailureKind.NO_ANSWER),
        ([ACKNOWLEDGED, Silence(3), ACKNOWLEDGED], None),
        ([ACKNOWLEDGED, Reply(ACK)], None),
        ([ACKNOWLEDGED, Reply(LongFrame(8, 5, 0x70, b"\x09"))], None),
        ([ACKNOWLEDGED, Reply(FIRST)], None),
    ],
)
def test_what_a_scan_makes_of_an_address(outcomes: list[Outcome], kind: FailureKind | None) -> None:
    _, found = run(identify(5, MasterFcb(), decode), outcomes)
    assert (found.failure and found.failure.kind) == kind
    assert (found.telegram is not None) == (outcomes[-1] == Reply(FIRST))
