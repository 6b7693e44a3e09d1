"""The master's link machine fed by hand: which bytes and which time bring it where. Times in ns, 2400 baud."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mbusbench.codec.frame import ACK, NACK, LongFrame, ShortFrame
from mbusbench.codec.frame_reader import Reject
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.late_answers import LateAnswers
from mbusbench.protocol.link_state import TRANSITIONS, LinkEvent, LinkState
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Collision, Garbled, Outcome, Reply, Silence, WrongAddress

MS = 1_000_000
BIT = 416_667
CHARACTER = 4_583_333
SHORT = 5 * CHARACTER  # the time a short frame takes
WINDOW = 192_083_333  # 341 bits + 50 ms
IDLE = 13_750_000  # 33 bits
GAP = 118_333_333  # 44 bits + 100 ms

E5 = b"\xe5"
RESET = ShortFrame(0x40, 5)
REQUEST = ShortFrame(0x7B, 5)
NKE_5 = bytes.fromhex("10 40 05 45 16")
REQ_5 = bytes.fromhex("10 7B 05 80 16")
ANSWER = LongFrame(0x08, 5, 0x72, bytes.fromhex("78563412 24232807 AC000000 0C1301000000"))
ANSWER_BYTES = ANSWER.encode()
OTHER = LongFrame(0x08, 6, 0x72, ANSWER.data)
DAMAGED = ANSWER_BYTES[:-2] + b"\x00\x16"

ping = Exchange(RESET, Expect.ACKNOWLEDGE, alone=True)
reset = Exchange(RESET, Expect.ACKNOWLEDGE)
read = Exchange(REQUEST, Expect.DATA)


def started(exchange: Exchange, now: int = 0, **settings: int) -> MasterLink:
    link = MasterLink(2400, **settings)
    assert link.start(exchange, now) == exchange.request.encode()
    return link


def drive(link: MasterLink, until: int) -> list[tuple[int, bytes]]:
    """Let time pass up to `until`, waking the machine only when it asks for it. What it sent, with times."""
    sent = []
    while (when := link.next_wakeup()) is not None and when <= until:
        data = link.poll(when)
        if data:
            sent.append((when, data))
    return sent


def test_every_state_has_a_way_back_to_idle_and_no_unknown_event() -> None:
    assert set(TRANSITIONS) == set(LinkState)
    for state, row in TRANSITIONS.items():
        assert set(row) <= set(LinkEvent)
        assert state is LinkState.IDLE or row[LinkEvent.CANCEL] is LinkState.IDLE


def in_state(state: LinkState) -> tuple[MasterLink, int]:
    """A machine in `state`, pinging slave 5, and the time it is then."""
    link = MasterLink(2400)
    if state is LinkState.IDLE:
        return link, 0
    if state is LinkState.QUIET:
        link.receive(b"\x00", 0)
        assert link.start(ping, 1) == b""
        return link, 1
    link.start(ping, 0)
    if state is LinkState.SETTLING:
        link.receive(E5, SHORT + 20 * MS)
        return link, SHORT + 20 * MS
    return link, SHORT


Stimulus = Callable[[MasterLink, int], object]


def receive(data: bytes) -> Stimulus:
    return lambda link, now: link.receive(data, now + MS)


def wake(link: MasterLink, now: int) -> object:
    when = link.next_wakeup()
    return link.poll(now if when is None else when)


def cancel(link: MasterLink, now: int) -> None:
    link.cancel(now + MS)


def wake_too_early(link: MasterLink, now: int) -> object:
    return link.poll(now)


def last_wake(link: MasterLink, now: int) -> object:
    drive(link, now + 10 * WINDOW)
    return None


@pytest.mark.parametrize(
    ("state", "stimulus", "following", "outcome"),
    [
        (LinkState.IDLE, receive(E5), LinkState.IDLE, None),
        (LinkState.IDLE, receive(b"\x00"), LinkState.IDLE, None),
        (LinkState.IDLE, receive(NKE_5), LinkState.IDLE, None),
        (LinkState.IDLE, wake, LinkState.IDLE, None),
        (LinkState.IDLE, cancel, LinkState.IDLE, None),
        (LinkState.QUIET, receive(E5), LinkState.QUIET, None),
        (LinkState.QUIET, receive(b"\x00"), LinkState.QUIET, None),
        (LinkState.QUIET, receive(NKE_5), LinkState.QUIET, None),
        (LinkState.QUIET, wake_too_early, LinkState.QUIET, None),
        (LinkState.QUIET, wake, LinkState.AWAITING, None),
        (LinkState.QUIET, cancel, LinkState.IDLE, None),
        (LinkState.AWAITING, receive(E5), LinkState.SETTLING, None),
        (LinkState.AWAITING, receive(b"\x00"), LinkState.AWAITING, None),
        (LinkState.AWAITING, receive(NKE_5), LinkState.AWAITING, None),
        (LinkState.AWAITING, receive(OTHER.encode()), LinkState.AWAITING, None),
        (LinkState.AWAITING, receive(ANSWER_BYTES), LinkState.AWAITING, None),
        (LinkState.AWAITING, wake_too_early, LinkState.AWAITING, None),
        (LinkState.AWAITING, last_wake, LinkState.IDLE, Silence(3)),
        (LinkState.AWAITING, cancel, LinkState.IDLE, None),
        (LinkState.SETTLING, receive(NKE_5), LinkState.SETTLING, None),
        (LinkState.SETTLING, receive(E5), LinkState.AWAITING, None),
        (LinkState.SETTLING, receive(b"\x00"), LinkState.AWAITING, None),
        (LinkState.SETTLING, wake_too_early, LinkState.SETTLING, None),
        (LinkState.SETTLING, wake, LinkState.IDLE, Reply(ACK)),
        (LinkState.SETTLING, cancel, LinkState.IDLE, None),
    ],
)
def test_every_state_takes_every_event(
    state: LinkState, stimulus: Stimulus, following: LinkState, outcome: Outcome | None
) -> None:
    link, now = in_state(state)
    assert link.state is state
    stimulus(link, now)
    assert link.state is following
    assert link.outcome == outcome
    assert (link.next_wakeup() is None) == (following is LinkState.IDLE)


def test_answer_ends_the_exchange_at_once() -> None:
    link = started(read)
    link.receive(ANSWER_BYTES, SHORT + 20 * MS)
    assert link.outcome == Reply(ANSWER)
    assert link.start(reset, SHORT + 20 * MS) == NKE_5


def test_acknowledge_of_a_known_slave_is_not_waited_on() -> None:
    link = started(reset)
    link.receive(E5, SHORT + 20 * MS)
    assert link.outcome == Reply(ACK)


def test_short_frame_acknowledge_is_taken() -> None:
    link = started(reset)
    link.receive(ShortFrame(0x00, 5).encode(), SHORT + 20 * MS)
    assert link.outcome == Reply(ShortFrame(0x00, 5))


@pytest.mark.parametrize("baudrate", [300, 2400, 9600])
def test_window_begins_at_the_end_of_the_own_transmission(baudrate: int) -> None:
    link = MasterLink(baudrate, latency=3 * MS)
    link.start(read, 1000)
    expected = 1000 + (5 * 11 + 341) * 1_000_000_000 // baudrate + 53 * MS
    assert link.next_wakeup() == pytest.approx(expected, abs=10)


def test_long_requests_are_waited_for_as_long_as_they_take() -> None:
    selection = LongFrame(0x73, 253, 0x52, bytes(8))
    link = MasterLink(300)
    link.start(Exchange(selection, Expect.ACKNOWLEDGE), 0)
    link.receive(E5, 623 * MS + 1150 * MS)
    assert link.outcome == Reply(ACK)


@pytest.mark.parametrize("start", [11 * BIT, 330 * BIT + 50 * MS - BIT])
def test_first_and_last_moment_of_an_answer_are_both_in_time(start: int) -> None:
    link = started(read)
    first = SHORT + start + CHARACTER
    assert drive(link, first - 1) == []
    for n, character in enumerate(ANSWER_BYTES):
        link.receive(bytes((character,)), first + n * CHARACTER)
        assert drive(link, first + n * CHARACTER) == []
    assert link.outcome == Reply(ANSWER)


def test_silence_is_repeated_with_the_same_frame_at_the_end_of_each_window() -> None:
    link = started(read)
    sent = drive(link, 10**10)
    assert [data for _, data in sent] == [REQ_5, REQ_5]
    assert sent[0][0] == pytest.approx(SHORT + WINDOW, abs=10)
    assert sent[1][0] == pytest.approx(2 * (SHORT + WINDOW), abs=10)
    assert link.outcome == Silence(3)


@pytest.mark.parametrize(("own", "asked", "sent"), [(3, None, 2), (3, 1, 0), (1, 2, 0), (2, 5, 1)])
def test_attempts_are_the_smaller_of_link_and_exchange(own: int, asked: int | None, sent: int) -> None:
    link = started(Exchange(REQUEST, Expect.DATA, attempts=asked), attempts=own)
    assert len(drive(link, 10**10)) == sent


def test_damaged_answer_is_asked_for_again_after_an_idle_line() -> None:
    link = started(read)
    end = SHORT + 20 * MS + len(DAMAGED) * CHARACTER
    link.receive(DAMAGED, end)
    ((when, data),) = drive(link, end + 2 * GAP)
    assert data == REQ_5
    assert end + IDLE <= when <= end + GAP


def test_noise_does_not_shorten_the_window() -> None:
    link = started(read)
    link.receive(b"\xfe", SHORT + 5 * MS)
    ((when, _),) = drive(link, SHORT + WINDOW + IDLE)
    assert when == pytest.approx(SHORT + WINDOW, abs=10)


def test_noise_at_the_end_of_the_window_is_followed_by_33_bits_of_idle_line() -> None:
    link = started(read)
    link.receive(b"\xfe", SHORT + WINDOW - MS)
    ((when, _),) = drive(link, SHORT + WINDOW + 2 * IDLE)
    assert when == pytest.approx(SHORT + WINDOW - MS + IDLE, abs=10)


def test_noise_before_the_answer_is_skipped() -> None:
    link = started(read)
    link.receive(b"\x00\xff" + ANSWER_BYTES, SHORT + 150 * MS)
    assert link.outcome == Reply(ANSWER)


def test_answer_hidden_behind_a_phantom_header_is_found_when_the_line_is_idle() -> None:
    link = started(read)
    link.receive(b"\x68\xff\xff\x68" + ANSWER_BYTES, SHORT + 150 * MS)
    assert link.outcome is None
    drive(link, SHORT + 150 * MS + GAP)
    assert link.outcome == Reply(ANSWER)


def test_half_an_answer_is_given_up_after_the_gap_and_forgotten() -> None:
    link = started(read)
    link.receive(ANSWER_BYTES[:12], SHORT + 50 * MS)
    ((when, data),) = drive(link, SHORT + WINDOW - MS)
    assert data == REQ_5
    assert when == pytest.approx(SHORT + 50 * MS + GAP, abs=10)
    link.receive(ANSWER_BYTES, when + SHORT + 50 * MS)
    assert link.outcome == Reply(ANSWER, attempts=2)


def test_holes_below_the_gap_do_not_end_an_answer() -> None:
    link = started(read)
    now = SHORT + 20 * MS
    for character in ANSWER_BYTES:
        assert drive(link, now) == []
        link.receive(bytes((character,)), now)
        now += GAP - MS
    assert link.outcome == Reply(ANSWER)


def test_gap_grows_with_the_latency_of_the_transport() -> None:
    link = started(read, latency=500 * MS)
    link.receive(ANSWER_BYTES[:12], SHORT + 400 * MS)
    assert drive(link, SHORT + 400 * MS + 500 * MS) == []
    link.receive(ANSWER_BYTES[12:], SHORT + 400 * MS + 510 * MS)
    assert link.outcome == Reply(ANSWER)


def test_own_echo_is_dropped_and_the_window_stays() -> None:
    link = started(read)
    link.receive(REQ_5[:3], SHORT - 2 * CHARACTER)
    link.receive(REQ_5[3:], SHORT)
    assert link.next_wakeup() == pytest.approx(SHORT + WINDOW, abs=10)
    link.receive(REQ_5 + ANSWER_BYTES, SHORT + 100 * MS)
    assert link.outcome == Reply(ANSWER)


def test_only_the_echo_is_silence() -> None:
    link = started(Exchange(RESET, Expect.ACKNOWLEDGE, alone=True, attempts=1))
    link.receive(NKE_5, SHORT)
    drive(link, 10**9)
    assert link.outcome == Silence(1)


def test_answer_of_another_slave_is_dropped_and_the_wait_begins_again() -> None:
    link = started(read)
    link.receive(OTHER.encode(), SHORT + 190 * MS)
    assert drive(link, SHORT + 190 * MS + WINDOW - MS) == []
    link.receive(ANSWER_BYTES, SHORT + 190 * MS + WINDOW - MS)
    assert link.outcome == Reply(ANSWER)


def test_only_the_answer_of_another_slave_is_a_wrong_address() -> None:
    link = started(Exchange(REQUEST, Expect.DATA, attempts=1))
    link.receive(OTHER.encode(), SHORT + 100 * MS)
    drive(link, 10**9)
    assert link.outcome == WrongAddress(OTHER, 1)


@pytest.mark.parametrize("address", [253, 254])
@pytest.mark.parametrize("answering", [0, 5, 250, 253])
def test_any_slave_may_answer_at_253_and_254(address: int, answering: int) -> None:
    link = started(Exchange(ShortFrame(0x7B, address), Expect.DATA))
    frame = LongFrame(0x08, answering, 0x72, ANSWER.data)
    link.receive(frame.encode(), SHORT + 20 * MS)
    assert link.outcome == Reply(frame)


def test_data_that_the_exchange_does_not_accept_are_somebody_elses() -> None:
    link = started(Exchange(ShortFrame(0x7B, 253), Expect.DATA, accepts=lambda frame: frame.address == 5, attempts=1))
    link.receive(OTHER.encode(), SHORT + 20 * MS)
    assert link.outcome is None
    drive(link, 10**9)
    assert link.outcome == WrongAddress(OTHER, 1)


@pytest.mark.parametrize("control", [0x48, 0x0B, 0x00, 0x88])
def test_frame_with_another_c_field_is_no_answer(control: int) -> None:
    link = started(Exchange(REQUEST, Expect.DATA, attempts=1))
    frame = LongFrame(control, 5, 0x72, ANSWER.data)
    link.receive(frame.encode(), SHORT + 20 * MS)
    assert link.outcome is None
    drive(link, 10**9)
    assert link.outcome == Garbled((frame,), 1)


def test_e5_instead_of_data_counts_when_nothing_follows() -> None:
    link = started(read)
    link.receive(E5, SHORT + 20 * MS)
    assert link.outcome is None
    drive(link, SHORT + WINDOW - MS)
    assert link.outcome is None
    drive(link, SHORT + WINDOW + MS)
    assert link.outcome == Reply(ACK)


def test_late_e5_in_front_of_the_data_is_dropped() -> None:
    link = started(read)
    link.receive(E5, SHORT + 20 * MS)
    link.receive(ANSWER_BYTES[:10], SHORT + 30 * MS)
    assert drive(link, SHORT + 100 * MS) == []
    link.receive(ANSWER_BYTES[10:], SHORT + 100 * MS)
    assert link.outcome == Reply(ANSWER)


def test_e5_in_front_of_damaged_data_is_dropped() -> None:
    link = started(read)
    link.receive(E5, SHORT + 20 * MS)
    link.receive(ANSWER_BYTES[:10], SHORT + 30 * MS)
    assert [data for _, data in drive(link, SHORT + 200 * MS)] == [REQ_5]


@pytest.mark.parametrize("exchange", [reset, ping], ids=["reset", "ping"])
def test_data_do_not_acknowledge_a_link_reset(exchange: Exchange) -> None:
    link = started(exchange)
    link.receive(ANSWER_BYTES, SHORT + 20 * MS)
    assert drive(link, SHORT + 20 * MS + WINDOW - MS) == []
    assert link.outcome is None
    link.receive(E5, SHORT + 20 * MS + WINDOW - MS)
    drive(link, SHORT + 20 * MS + WINDOW + IDLE)
    assert link.outcome == Reply(ACK)


def test_link_reset_that_is_answered_with_data_is_repeated_and_fails_at_last() -> None:
    link = started(reset)
    link.receive(ANSWER_BYTES, SHORT + 20 * MS)
    assert [data for _, data in drive(link, SHORT + 20 * MS + WINDOW)] == [NKE_5]
    link = started(reset, attempts=1)
    link.receive(ANSWER_BYTES, SHORT + 20 * MS)
    drive(link, SHORT + 20 * MS + WINDOW)
    assert link.outcome == Garbled((ANSWER,))


write = Exchange(LongFrame(0x53, 5, 0x51, b"\x01\x7a\x06"), Expect.ACKNOWLEDGE)
ERROR = LongFrame(0x08, 5, 0x70, b"\x08")


def test_data_instead_of_e5_to_a_command_count_only_if_no_e5_follows() -> None:
    end = len(write.request_bytes) * CHARACTER
    link = started(write)
    link.receive(ANSWER_BYTES, end + 20 * MS)
    drive(link, end + WINDOW - MS)
    assert link.outcome is None
    link.receive(E5, end + WINDOW - MS)
    assert link.outcome == Reply(ACK)

    link = started(write)
    link.receive(ANSWER_BYTES, end + 20 * MS)
    drive(link, end + WINDOW + MS)
    assert link.outcome == Reply(ANSWER)


def test_copy_of_an_answer_before_does_not_acknowledge_a_command() -> None:
    link = answered()
    link.start(write, 100 * MS)
    end = 100 * MS + len(write.request_bytes) * CHARACTER
    link.receive(ANSWER_BYTES, end + 20 * MS)
    assert [data for _, data in drive(link, end + 20 * MS + WINDOW)] == [write.request_bytes]


def test_late_answer_does_not_acknowledge_a_command_but_an_error_is_one() -> None:
    link = started(read, attempts=1)
    drive(link, SHORT + WINDOW)
    begin = SHORT + WINDOW
    link.start(write, begin)
    end = begin + len(write.request_bytes) * CHARACTER
    link.receive(ANSWER_BYTES, end + 20 * MS)
    assert link.outcome is None
    link.receive(ERROR.encode(), end + 120 * MS)
    drive(link, end + 20 * MS + 2 * WINDOW)
    assert link.outcome == Reply(ERROR)


def test_attempt_does_not_end_while_somebody_sends() -> None:
    link = started(read, attempts=1)
    for number in range(1, 60):
        at = SHORT + number * CHARACTER
        drive(link, at)
        link.receive(b"\x55", at)
    assert at > SHORT + WINDOW
    drive(link, at + CHARACTER)
    link.receive(ANSWER_BYTES, at + IDLE - MS)
    assert link.outcome == Reply(ANSWER)


FOLLOWING = LongFrame(0x08, 5, 0x72, ANSWER.data[:-1] + b"\x01")


def answered(now: int = 0) -> MasterLink:
    """A link on which ANSWER came a moment ago, at 100 ms."""
    link = started(read, now)
    link.receive(ANSWER_BYTES, now + 100 * MS)
    assert link.outcome == Reply(ANSWER)
    return link


def test_copy_of_an_answer_before_is_passed_over() -> None:
    link = answered()
    link.start(read, 100 * MS)
    link.receive(ANSWER_BYTES, 100 * MS + SHORT + 20 * MS)
    assert link.outcome is None
    link.receive(FOLLOWING.encode(), 100 * MS + SHORT + 180 * MS)
    assert link.outcome == Reply(FOLLOWING)


def test_copy_of_an_answer_before_counts_when_nothing_else_comes() -> None:
    link = answered()
    link.start(read, 100 * MS)
    link.receive(ANSWER_BYTES, 100 * MS + SHORT + 20 * MS)
    drive(link, 100 * MS + SHORT + WINDOW + MS)
    assert link.outcome == Reply(ANSWER)


def test_same_answer_six_seconds_later_is_no_copy() -> None:
    link = answered()
    link.start(read, 7 * 10**9)
    link.receive(ANSWER_BYTES, 7 * 10**9 + SHORT + 20 * MS)
    assert link.outcome == Reply(ANSWER)


def test_only_so_many_answers_are_remembered() -> None:
    late = LateAnswers()
    for n in range(1000):
        late.remember(LongFrame(8, 5, 0x72, n.to_bytes(2, "little")), n)
    assert 32 <= len(late) <= 64
    assert late.is_copy(LongFrame(8, 5, 0x72, (999).to_bytes(2, "little")), 1000)
    late.clear()
    assert len(late) == 0


def test_either_answer_is_taken_where_both_may_come() -> None:
    for data, frame in ((E5, ACK), (b"\xa2", NACK), (ANSWER_BYTES, ANSWER)):
        link = started(Exchange(REQUEST, Expect.EITHER))
        link.receive(data, SHORT + 20 * MS)
        assert link.outcome == Reply(frame)


def test_negative_acknowledge_is_noise_where_it_was_not_asked_for() -> None:
    link = started(Exchange(RESET, Expect.ACKNOWLEDGE, attempts=1))
    link.receive(b"\xa2", SHORT + 20 * MS)
    drive(link, 10**9)
    assert isinstance(link.outcome, Garbled)


def test_broadcast_is_sent_once_and_followed_by_an_idle_line() -> None:
    link = started(Exchange(ShortFrame(0x40, 255), Expect.NOTHING))
    assert drive(link, 10**9) == []
    assert link.outcome == Silence(1)


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [(b"\xe5", b"\xe5", 11), (b"\xe5", b"\xf9", 11), (b"\xa5", b"\xfe", 11), (b"\xfe", b"\xe5", 20)],
)
def test_more_than_one_acknowledge_is_a_collision(first: bytes, second: bytes, after: int) -> None:
    link = started(Exchange(RESET, Expect.ACKNOWLEDGE, alone=True, attempts=1))
    link.receive(first, SHORT + 20 * MS)
    link.receive(second, SHORT + 20 * MS + after * BIT)
    drive(link, 10**9)
    assert isinstance(link.outcome, Collision)
    heard = b"".join(item.raw if isinstance(item, Reject) else item.encode() for item in link.outcome.received)
    assert heard == first + second


def test_collision_is_repeated_after_the_break_of_the_converter_has_passed() -> None:
    link = started(ping)
    link.receive(E5, SHORT + 20 * MS)
    for n in range(12):
        link.receive(b"\x00", SHORT + 25 * MS + n * CHARACTER)
    end = SHORT + 25 * MS + 11 * CHARACTER
    ((when, data),) = drive(link, end + 2 * GAP)
    assert data == NKE_5
    assert when >= end + IDLE


def test_single_acknowledge_counts_after_33_bits() -> None:
    link = started(ping)
    link.receive(E5, SHORT + 20 * MS)
    assert link.next_wakeup() == pytest.approx(SHORT + 20 * MS + IDLE, abs=10)
    drive(link, SHORT + 20 * MS + IDLE)
    assert link.outcome == Reply(ACK)


def test_answer_to_a_repeat_counts_when_no_other_one_contradicts_it() -> None:
    """The first attempt may be answered late, in the second one's window, and the second too."""
    link = started(read)
    second = SHORT + WINDOW
    drive(link, second)
    link.receive(ANSWER_BYTES, second + SHORT + 10 * MS)
    link.receive(ANSWER_BYTES, second + SHORT + 150 * MS)
    assert link.outcome is None
    drive(link, second + SHORT + WINDOW + MS)
    assert link.outcome == Reply(ANSWER, attempts=2)


@pytest.mark.parametrize(("first", "second"), [(ANSWER, FOLLOWING), (FOLLOWING, ANSWER)])
def test_two_different_answers_are_none_while_one_may_be_late(first: LongFrame, second: LongFrame) -> None:
    link = started(Exchange(REQUEST, Expect.DATA, attempts=1))
    drive(link, 10**9)
    assert link.outcome == Silence(1)
    link.start(read, 10**9)
    link.receive(first.encode(), 10**9 + SHORT + 20 * MS)
    link.receive(second.encode(), 10**9 + SHORT + 160 * MS)
    ((when, data),) = drive(link, 10**9 + SHORT + WINDOW + MS)
    assert data == REQ_5
    link.receive(FOLLOWING.encode(), when + SHORT + 20 * MS)
    drive(link, when + SHORT + WINDOW + MS)
    assert link.outcome == Reply(FOLLOWING, attempts=2)


def test_answer_that_did_not_come_is_waited_for_no_longer_than_six_seconds() -> None:
    link = started(Exchange(REQUEST, Expect.DATA, attempts=1))
    drive(link, 10**9)
    link.start(read, 7 * 10**9)
    link.receive(ANSWER_BYTES, 7 * 10**9 + SHORT + 20 * MS)
    assert link.outcome == Reply(ANSWER)


def test_other_slaves_are_read_without_doubt() -> None:
    link = started(Exchange(ShortFrame(0x7B, 6), Expect.DATA, attempts=1))
    drive(link, 10**9)
    link.start(read, 10**9)
    link.receive(ANSWER_BYTES, 10**9 + SHORT + 20 * MS)
    assert link.outcome == Reply(ANSWER)


def test_late_acknowledge_to_a_repeat_is_followed_by_a_wait_for_the_other_one() -> None:
    link = started(reset)
    second = SHORT + WINDOW
    drive(link, second)
    link.receive(E5, second + SHORT + 10 * MS)
    assert link.outcome == Reply(ACK, attempts=2)
    assert link.start(read, second + SHORT + 10 * MS) == b""
    link.receive(E5, second + SHORT + 150 * MS)
    assert link.outcome is None
    ((when, _),) = drive(link, 10**9)[:1]
    assert when == pytest.approx(second + SHORT + WINDOW, abs=10)


def test_noise_on_the_idle_line_delays_the_next_request() -> None:
    link = MasterLink(2400)
    link.receive(b"\x00", 0)
    assert link.start(read, 10 * MS) == b""
    assert drive(link, 10**9)[0] == (pytest.approx(IDLE, abs=10), REQ_5)


def test_late_answer_before_the_request_is_dropped() -> None:
    link = MasterLink(2400)
    link.receive(ANSWER_BYTES, 0)
    link.receive(b"\x68\x20\x20", 100 * MS)
    assert link.start(reset, 10**9) == NKE_5
    link.receive(E5, 10**9 + SHORT + 20 * MS)
    assert link.outcome == Reply(ACK)


def test_cancelled_exchange_keeps_the_line_until_its_window_has_passed() -> None:
    link = started(read)
    link.cancel(10 * MS)
    assert link.start(reset, 20 * MS) == b""
    link.receive(ANSWER_BYTES, SHORT + 100 * MS)
    assert link.outcome is None
    assert drive(link, SHORT + WINDOW + 10)[0] == (pytest.approx(SHORT + WINDOW, abs=10), NKE_5)


def test_reset_forgets_what_the_line_was_doing() -> None:
    link = started(read)
    link.receive(ANSWER_BYTES[:10], SHORT)
    link.reset()
    assert link.start(reset, SHORT + MS) == NKE_5
    link.receive(E5, 2 * SHORT)
    assert link.outcome == Reply(ACK)


def test_babble_ends_as_garbled_and_nothing_is_sent_into_it() -> None:
    link = started(read)
    now = SHORT + 20 * MS
    while link.outcome is None:
        assert drive(link, now) == []
        link.receive(b"\xaa", now)
        now += CHARACTER
    assert isinstance(link.outcome, Garbled)
    assert now < 20 * 10**9


def test_babble_of_phantom_headers_ends_too() -> None:
    link = started(read)
    now = SHORT + 20 * MS
    while link.outcome is None:
        assert drive(link, now) == []
        link.receive(b"\x68\xff\xff\x68", now)
        now += 4 * CHARACTER
    assert now < 20 * 10**9


def test_line_that_never_gets_idle_ends_an_exchange_before_it_was_sent() -> None:
    link = MasterLink(2400)
    link.receive(b"\xaa", 0)
    assert link.start(read, 1) == b""
    now = CHARACTER
    while link.outcome is None:
        assert drive(link, now) == []
        link.receive(b"\xaa", now)
        now += CHARACTER
    assert link.outcome == Garbled((), 0)


def test_window_and_attempts_can_be_given() -> None:
    link = started(read, window=1_000 * MS, attempts=2, latency=500 * MS)
    sent = drive(link, 10**11)
    assert [when for when, _ in sent] == [pytest.approx(SHORT + 1_000 * MS, abs=10)]


def test_new_baud_rate_counts_from_the_next_request_on() -> None:
    link = started(read)
    link.receive(ANSWER_BYTES, SHORT + 20 * MS)
    link.set_baudrate(300)
    link.start(read, 10**9)
    assert link.next_wakeup() == pytest.approx(10**9 + (55 + 341) * 10**10 // 3000 + 50 * MS, abs=10)
