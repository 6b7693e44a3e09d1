"""The passive analyzer: exchanges out of characters, and a finding for each broken rule (EN 13757-2)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.timing import bit_time, character_time, idle_time, response_window
from mbusbench.trace import Kind, TraceEvent
from mbusbench.trace.analyzer import analyze
from mbusbench.trace.capture import events_of_capture
from mbusbench.trace.event import COLLISION, ECHO
from mbusbench.trace.exchange import RULES, Exchange, Result, Role
from tests.trace.sample import ACKNOWLEDGED, BAUD, REQUEST, RESET, TELEGRAM, answered, received, sent

MS = 1_000_000
FIRST, LAST = response_window(BAUD)
OTHER_FCB = ShortFrame(0x5B, 5).encode()
WRITE = LongFrame(0x73, 5, 0x51, bytes.fromhex("017A07")).encode()
SELECT = LongFrame(0x73, 253, 0x52, bytes.fromhex("78563412FFFFFFFF")).encode()
OF_ANOTHER = LongFrame(0x08, 6, 0x72, TELEGRAM[7:-2]).encode()


def _conversation(*steps: tuple[str, bytes] | tuple[str, bytes, int]) -> list[TraceEvent]:
    """Steps are ("master" | "slave" | "port", bytes, ns of silence before it); 20 ms where it is not given."""
    senders = {"master": sent, "slave": answered, "port": received}
    now = 0
    events = []
    for who, data, *silence in steps:
        event = senders[who](now + (silence[0] if silence else 20 * MS), data)
        now = event.end
        events.append(event)
    return events


def _analyzed(*steps: tuple[str, bytes] | tuple[str, bytes, int], **options: int) -> list[Exchange]:
    return analyze(_conversation(*steps), **options)


def _rules(*exchanges: Exchange) -> list[str]:
    return [finding.rule for exchange in exchanges for finding in exchange.findings]


def test_plain_readout_has_no_findings() -> None:
    exchanges = _analyzed(
        ("master", RESET), ("slave", ACKNOWLEDGED), ("master", REQUEST), ("slave", TELEGRAM), ("master", OTHER_FCB)
    )
    assert [exchange.result for exchange in exchanges] == [Result.ANSWERED, Result.ANSWERED, Result.SILENCE]
    assert [exchange.sequence for exchange in exchanges] == [None, "first", "new"]
    assert exchanges[1].response_delay == 20 * MS
    assert (exchanges[1].address, _rules(*exchanges)) == (5, [])


def test_characters_that_came_one_by_one_are_the_same_exchange() -> None:
    whole = _conversation(("master", REQUEST), ("slave", TELEGRAM))
    single = [
        event._replace(time=event.time + start, data=event.data[index : index + 1], duration=end - start)
        for event in whole
        for index in range(len(event.data))
        for start, end in [(character_time(BAUD, index), character_time(BAUD, index + 1))]
    ]
    (exchange,) = analyze(single)
    assert (exchange.result, exchange.response_delay) == (Result.ANSWERED, 20 * MS)


@pytest.mark.parametrize(
    ("delay", "rules"),
    [
        (FIRST - 1, ["answer-too-early"]),
        (FIRST, []),
        (LAST, []),
        (LAST + 1, ["answer-too-late"]),
    ],
)
def test_response_delay_has_limits(delay: int, rules: list[str]) -> None:
    (exchange,) = _analyzed(("master", REQUEST), ("slave", TELEGRAM, delay))
    assert (_rules(exchange), exchange.result) == (rules, Result.ANSWERED)
    (tolerant,) = _analyzed(("master", REQUEST), ("slave", TELEGRAM, delay), tolerance=MS)
    assert _rules(tolerant) == []


def test_without_speed_there_are_no_limits() -> None:
    events = [event._replace(baud=0) for event in _conversation(("master", REQUEST), ("slave", TELEGRAM, 0))]
    assert _rules(*analyze(events)) == []


def test_repeat_is_another_attempt_of_the_same_exchange() -> None:
    (exchange,) = _analyzed(("master", REQUEST), ("master", REQUEST, LAST), ("slave", TELEGRAM))
    assert (len(exchange.attempts), exchange.result, _rules(exchange)) == (2, Result.ANSWERED, [])
    assert exchange.response_delay == 20 * MS


def test_third_repeat_is_one_too_many() -> None:
    (exchange,) = _analyzed(*[("master", REQUEST, LAST)] * 5)
    assert (len(exchange.attempts), _rules(exchange)) == (5, ["too-many-attempts"])
    assert not _rules(*_analyzed(*[("master", REQUEST, LAST)] * 3))


def test_command_may_go_on_from_a_bit_that_all_services_share() -> None:
    first, second = (LongFrame(control, 253, 0x51, b"\x01\x7a\x07").encode() for control in (0x73, 0x53))
    selected = [("master", SELECT), ("slave", ACKNOWLEDGED)]
    assert not _rules(*_analyzed(*selected, ("master", second)))
    assert not _rules(*_analyzed(*selected, ("master", first)))
    read = [("master", RESET), ("slave", ACKNOWLEDGED), ("master", REQUEST), ("slave", TELEGRAM)]
    shared = LongFrame(0x53, 5, 0x51, b"\x01\x7a\x07").encode()
    assert not _rules(*_analyzed(*read, ("master", shared)))
    assert _rules(*_analyzed(*read[:2], ("master", shared))) == ["fcb-after-reset"]


def test_request_at_another_rate_is_no_repeat_and_waits_as_long_as_the_rate_before_says() -> None:
    slow = [event._replace(baud=300) for event in _conversation(*[("master", REQUEST, LAST)] * 3)]
    fast = _conversation(*[("master", REQUEST, LAST)] * 4)
    late = [event._replace(time=event.time + slow[-1].end + response_window(300)[1]) for event in fast]
    exchanges = analyze([*slow, *late])
    assert [len(exchange.attempts) for exchange in exchanges] == [3, 4]
    assert _rules(*exchanges) == ["request-before-timeout"] * 2 + ["too-many-attempts"]


def test_master_that_does_not_wait_for_an_answer_is_found() -> None:
    assert _rules(*_analyzed(("master", REQUEST), ("master", REQUEST, LAST - 1))) == ["request-before-timeout"]
    assert _rules(*_analyzed(("master", REQUEST), ("master", RESET, LAST - 1))) == ["request-before-timeout"]


def test_nobody_waits_for_an_answer_to_a_broadcast() -> None:
    broadcast = ShortFrame(0x40, 255).encode()
    exchanges = _analyzed(("master", broadcast), ("master", RESET), ("slave", ACKNOWLEDGED))
    assert exchanges[0].result is Result.NOT_EXPECTED
    assert _rules(*exchanges) == []


def test_answer_to_a_broadcast_is_found() -> None:
    (exchange,) = _analyzed(("master", ShortFrame(0x40, 255).encode()), ("slave", ACKNOWLEDGED))
    assert _rules(exchange) == ["answer-to-broadcast"]


def test_damaged_answer_is_garbled_and_wants_idle_time_behind_it() -> None:
    damaged = TELEGRAM[:-2] + b"\x00\x16"
    hasty = _analyzed(("master", REQUEST), ("slave", damaged), ("master", REQUEST, idle_time(BAUD) - 1))
    assert (_rules(*hasty), hasty[0].result) == (["garbled-answer", "no-idle-time"], Result.GARBLED)
    patient = _analyzed(("master", REQUEST), ("slave", damaged), ("master", REQUEST, idle_time(BAUD)))
    assert _rules(*patient) == ["garbled-answer"]


def test_answer_with_a_parity_error_is_garbled_though_its_bytes_are_right() -> None:
    request, answer = _conversation(("master", REQUEST), ("slave", TELEGRAM))
    (exchange,) = analyze([request, answer._replace(parity_errors=(2,))])
    assert (_rules(exchange), exchange.answer) == (["garbled-answer"], None)


def test_answer_of_another_slave_is_foreign() -> None:
    (exchange,) = _analyzed(("master", REQUEST), ("slave", OF_ANOTHER))
    assert (_rules(exchange), exchange.result) == (["foreign-answer"], Result.FOREIGN)


@pytest.mark.parametrize("address", [253, 254])
def test_any_slave_may_answer_where_no_primary_address_was_asked(address: int) -> None:
    (exchange,) = _analyzed(("master", ShortFrame(0x7B, address).encode()), ("slave", OF_ANOTHER))
    assert (_rules(exchange), exchange.result) == ([], Result.ANSWERED)


@pytest.mark.parametrize(
    ("request_", "answer", "fits"),
    [
        (RESET, ACKNOWLEDGED, True),
        (RESET, TELEGRAM, False),
        (WRITE, ACKNOWLEDGED, True),
        (WRITE, TELEGRAM, False),
        (REQUEST, ACKNOWLEDGED, True),
        (REQUEST, b"\xa2", False),
        (REQUEST, ShortFrame(0x08, 5).encode(), False),
        (RESET, ShortFrame(0x00, 5).encode(), True),
        (ShortFrame(0x7A, 5).encode(), TELEGRAM, True),
        (LongFrame(0x43, 5, 0x51, b"").encode(), TELEGRAM, True),
        (LongFrame(0x43, 5, 0x51, b"").encode(), b"\xa2", True),
        (REQUEST, RESET, False),
    ],
)
def test_answer_has_to_be_of_the_kind_that_was_asked_for(request_: bytes, answer: bytes, fits: bool) -> None:
    (exchange,) = _analyzed(("master", request_), ("slave", answer))
    assert _rules(exchange) == ([] if fits else ["wrong-answer"])


def test_answer_to_a_request_that_was_given_up_is_late() -> None:
    request, again = _conversation(("master", REQUEST), ("master", REQUEST, LAST))
    late = answered(again.end - MS, TELEGRAM)
    (exchange,) = analyze([request, again, late])
    assert (_rules(exchange), exchange.answer, exchange.others[0][0]) == (["late-answer"], None, Role.LATE)


def test_late_answer_to_another_address_is_not_taken_for_the_answer() -> None:
    silent, other = _conversation(("master", OF_ANOTHER_REQUEST), ("master", REQUEST, LAST))
    exchanges = analyze([silent, other, answered(other.time + MS, OF_ANOTHER)])
    assert [exchange.result for exchange in exchanges] == [Result.SILENCE, Result.SILENCE]
    assert _rules(*exchanges) == ["late-answer"]


OF_ANOTHER_REQUEST = ShortFrame(0x7B, 6).encode()


def test_second_acknowledgement_is_a_collision() -> None:
    (exchange,) = _analyzed(("master", SELECT), ("slave", ACKNOWLEDGED), ("slave", ACKNOWLEDGED, 5 * MS))
    assert (_rules(exchange), exchange.result) == (["collision"], Result.COLLISION)


def test_answers_at_the_same_time_are_a_collision() -> None:
    request, first = _conversation(("master", ShortFrame(0x7B, 254).encode()), ("slave", TELEGRAM))
    second = answered(first.time + MS, OF_ANOTHER, source="slave 6")
    (exchange,) = analyze([request, first, second])
    assert (_rules(exchange), exchange.result) == (["collision"], Result.COLLISION)
    assert exchange.findings[0].text == "slave 6 too"


def test_request_is_repeated_after_a_collision_with_the_same_frame_count_bit() -> None:
    to_all = ShortFrame(0x7B, 254).encode()
    request, first, again = _conversation(("master", to_all), ("slave", TELEGRAM), ("master", to_all))
    second = answered(first.time + MS, OF_ANOTHER, source="slave 6")
    (exchange,) = analyze([request, first, second, again])
    assert (len(exchange.attempts), _rules(exchange)) == (2, ["collision"])
    exchanges = analyze([request, first, second, sent(10**9, RESET), sent(2 * 10**9, to_all)])
    assert _rules(*exchanges) == ["collision"]


def test_collision_on_a_line_without_speed_is_told_by_its_cause() -> None:
    events = [TraceEvent(0, Kind.MASTER, 1, data=ShortFrame(0x40, 254).encode())]
    events += [TraceEvent(0, Kind.SLAVE, source=f"slave {n}", data=ACKNOWLEDGED, cause=(COLLISION,)) for n in (5, 6)]
    (exchange,) = analyze(events)
    assert exchange.result is Result.COLLISION


def test_telegram_that_comes_twice_was_not_asked_for_twice() -> None:
    (exchange,) = _analyzed(("master", REQUEST), ("slave", TELEGRAM), ("slave", TELEGRAM))
    assert (_rules(exchange), exchange.result) == (["unasked-answer"], Result.ANSWERED)


def test_slave_that_speaks_first_is_found() -> None:
    first, second = _analyzed(("slave", TELEGRAM), ("master", REQUEST), ("slave", TELEGRAM))
    assert (first.request, _rules(first), second.result) == (None, ["unasked-answer"], Result.ANSWERED)


def test_master_that_talks_over_an_answer_is_found() -> None:
    request, answer = _conversation(("master", REQUEST), ("slave", TELEGRAM))
    exchanges = analyze([request, answer, sent(answer.end - MS, RESET)])
    assert "request-during-answer" in _rules(*exchanges)


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (REQUEST[:3], "garbled-request"),
        (REQUEST[:3] + b"\x00\x16", "garbled-request"),
        (ACKNOWLEDGED, "unknown-request"),
        (ShortFrame(0x49, 5).encode(), "unknown-request"),
        (ShortFrame(0x4F, 5).encode(), "unknown-request"),
        (TELEGRAM, "unknown-request"),
    ],
)
def test_what_is_no_request_is_found(bad: bytes, rule: str) -> None:
    (exchange,) = _analyzed(("master", bad))
    assert _rules(exchange)[:1] == [rule]


def test_first_frame_count_bit_after_a_reset_is_1() -> None:
    for reset, address in ((RESET, 5), (SELECT, 253)):
        for control, rules in ((0x7B, []), (0x5B, ["fcb-after-reset"])):
            request = ShortFrame(control, address).encode()
            exchanges = _analyzed(("master", reset), ("slave", ACKNOWLEDGED), ("master", request), ("slave", TELEGRAM))
            assert _rules(*exchanges) == rules


def test_reset_that_was_not_acknowledged_resets_nothing() -> None:
    assert not _rules(*_analyzed(("master", RESET), ("master", OTHER_FCB, LAST), ("slave", TELEGRAM)))


def test_frame_count_bit_that_stays_after_an_answer_is_found() -> None:
    exchanges = _analyzed(("master", REQUEST), ("slave", TELEGRAM), ("master", REQUEST), ("slave", TELEGRAM))
    assert (_rules(*exchanges), exchanges[1].sequence) == (["fcb-not-toggled"], "repeat")


def test_frame_count_bit_that_changes_without_an_answer_is_found() -> None:
    exchanges = _analyzed(("master", REQUEST), ("master", OTHER_FCB, LAST), ("slave", TELEGRAM))
    assert (_rules(*exchanges), exchanges[1].sequence) == (["fcb-toggled-without-answer"], "new")


@pytest.mark.parametrize("following", [REQUEST, OTHER_FCB])
def test_after_e5_instead_of_data_the_frame_count_bit_may_change_or_stay(following: bytes) -> None:
    exchanges = _analyzed(("master", REQUEST), ("slave", ACKNOWLEDGED), ("master", following), ("slave", TELEGRAM))
    assert _rules(*exchanges) == []


def test_services_and_addresses_have_frame_count_bits_of_their_own() -> None:
    exchanges = _analyzed(
        ("master", REQUEST),
        ("slave", TELEGRAM),
        ("master", WRITE),
        ("slave", ACKNOWLEDGED),
        ("master", OF_ANOTHER_REQUEST),
        ("slave", OF_ANOTHER),
        ("master", OTHER_FCB),
        ("slave", TELEGRAM),
    )
    assert _rules(*exchanges) == []


def test_selection_may_carry_either_control_field() -> None:
    other = LongFrame(0x53, 253, 0x52, SELECT[7:-2]).encode()
    exchanges = _analyzed(*[("master", SELECT), ("slave", ACKNOWLEDGED)] * 2, ("master", other, LAST))
    assert _rules(*exchanges) == []


def test_repeat_that_is_answered_by_something_else_is_found() -> None:
    newer = LongFrame(0x08, 5, 0x72, TELEGRAM[7:15] + b"\x99" + TELEGRAM[16:-2]).encode()
    exchanges = _analyzed(("master", REQUEST), ("slave", TELEGRAM), ("master", REQUEST), ("slave", newer))
    assert _rules(*exchanges) == ["fcb-not-toggled", "repeat-differs"]


def test_pause_inside_a_frame_is_found() -> None:
    pause = character_time(BAUD)
    request = sent(0, REQUEST)
    head = answered(request.end + 20 * MS, TELEGRAM[:9])
    for silence, rules in ((pause - 1, []), (pause, ["pause-in-frame"]), (idle_time(BAUD), ["garbled-answer"] * 2)):
        (exchange,) = analyze([request, head, answered(head.end + silence, TELEGRAM[9:])])
        assert _rules(exchange) == rules
    request = sent(0, REQUEST[:2])
    (exchange,) = analyze([request, sent(request.end + pause, REQUEST[2:])])
    assert _rules(exchange) == ["pause-in-frame"]


def test_port_sees_what_arrived_there() -> None:
    request, answer = _conversation(("master", REQUEST), ("slave", TELEGRAM))
    echo = received(request.time, REQUEST, cause=(ECHO,))
    arrival = received(answer.time, TELEGRAM, framing_errors=(0,))
    events = [request, echo, answer, arrival, sent(10**9, RESET, port=2), received(10**9, ACKNOWLEDGED, port=2)]
    on_line = analyze(events)
    (at_port,) = analyze(events, port=1)
    assert on_line[0].result is Result.ANSWERED
    assert [role for role, _ in at_port.others] == [Role.ECHO, Role.GARBLED]
    assert _rules(at_port) == ["garbled-answer"]


def test_noise_stands_beside_the_exchange_and_breaks_no_rule() -> None:
    request, answer = _conversation(("master", REQUEST), ("slave", TELEGRAM))
    noise = TraceEvent(request.end + MS, Kind.NOISE, data=b"\x00", duration=bit_time(BAUD, 11), baud=BAUD)
    (exchange,) = analyze([request, noise, answer])
    assert (exchange.result, exchange.others[0][0], _rules(exchange)) == (Result.ANSWERED, Role.NOISE, [])


def test_every_rule_that_is_found_has_words() -> None:
    (exchange,) = _analyzed(("master", REQUEST), ("slave", OF_ANOTHER))
    assert exchange.findings[0].words == RULES["foreign-answer"]


def test_capture_without_directions_is_the_same_exchanges() -> None:
    steps = (
        ("master", RESET),
        ("slave", ACKNOWLEDGED),
        ("master", REQUEST),
        ("slave", TELEGRAM[:-2] + b"\x00\x16"),
        ("master", REQUEST),
        ("slave", TELEGRAM),
        ("master", SELECT),
        ("slave", ACKNOWLEDGED),
        ("slave", ACKNOWLEDGED, MS),
    )
    events = _conversation(*steps)
    known = analyze(events)
    starts = events_of_capture([(event.time, event.data) for event in events], baud=BAUD)
    ends = events_of_capture([(event.end, event.data) for event in events], baud=BAUD, stamped_at_end=True)
    assert [event.kind for event in starts] == [event.kind for event in events]
    for captured in (analyze(starts), analyze(ends)):
        assert [exchange.result for exchange in captured] == [exchange.result for exchange in known]
        assert [exchange.response_delay for exchange in captured] == [exchange.response_delay for exchange in known]
        assert _rules(*captured) == _rules(*known)


def test_capture_in_one_piece_without_times_gives_the_exchanges() -> None:
    stream = RESET + ACKNOWLEDGED + REQUEST + TELEGRAM
    exchanges = analyze(events_of_capture([(0, stream)]))
    assert [exchange.result for exchange in exchanges] == [Result.ANSWERED, Result.ANSWERED]


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (b"\x00\xff", [Kind.NOISE]),
        (REQUEST + b"\xa5\x01", [Kind.MASTER, Kind.SLAVE]),
        (REQUEST + TELEGRAM[:12], [Kind.MASTER, Kind.SLAVE]),
        (REQUEST + TELEGRAM + b"\x00", [Kind.MASTER, Kind.SLAVE, Kind.NOISE]),
        (REQUEST[:4], [Kind.MASTER]),
        (SELECT[:9], [Kind.MASTER]),
    ],
)
def test_sender_of_what_is_no_frame_is_told_by_what_was_due(data: bytes, kinds: list[Kind]) -> None:
    assert [event.kind for event in events_of_capture([(0, data)])] == kinds


def test_events_of_a_capture_follow_each_other() -> None:
    events = events_of_capture([(0, RESET + ACKNOWLEDGED + REQUEST)], baud=BAUD)
    assert all(before.end == after.time for before, after in pairwise(events))


@pytest.mark.parametrize(
    ("begun", "rules"), [(character_time(BAUD), []), (character_time(BAUD, 3), ["request-during-answer"])]
)
def test_a_master_cannot_know_of_an_answer_that_has_only_begun(begun: int, rules: list[str]) -> None:
    events = _conversation(("master", REQUEST), ("slave", TELEGRAM), ("slave", TELEGRAM, 0))
    exchanges = analyze([*events, sent(events[-1].time + begun, OTHER_FCB)])
    assert [rule for rule in _rules(*exchanges) if rule.startswith("request")] == rules
    patient = analyze([*events, sent(events[-1].time + begun, OTHER_FCB)], reaction=20 * MS)
    assert "request-during-answer" not in _rules(*patient)


@pytest.mark.parametrize(("control", "result"), [(0x38, Result.ANSWERED), (0x0B, Result.GARBLED)])
def test_data_with_another_control_field_are_no_answer(control: int, result: Result) -> None:
    other = LongFrame(control, 5, 0x72, TELEGRAM[7:-2]).encode()
    (exchange,) = _analyzed(("master", REQUEST), ("slave", other))
    assert exchange.result is result
