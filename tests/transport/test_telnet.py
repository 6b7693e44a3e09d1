"""Telnet: transparency, input cut anywhere, options that settle, bounded subnegotiations."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mbusbench.transport.telnet import SUBNEGOTIATION_LIMIT, Connection, Negotiated, escape, subnegotiation

BINARY, ECHO, GO_AHEAD, COM_PORT = 0, 1, 3, 0x2C


def in_pieces(connection: Connection, data: bytes, cuts: list[int]) -> tuple[bytes, bytes, list[Negotiated | bytes]]:
    payload, reply = b"", b""
    events: list[Negotiated | bytes] = []
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for first, after in pairwise(bounds):
        parsed = connection.receive(data[first:after])
        payload += parsed.payload
        reply += parsed.reply
        events += [happened for _, happened in parsed.events]
    return payload, reply, events


@given(st.binary(), st.lists(st.integers(0, 1000), max_size=5))
def test_any_payload_arrives_as_it_was_sent(data: bytes, cuts: list[int]) -> None:
    assert in_pieces(Connection(), escape(data), cuts) == (data, b"", [])


@given(st.binary(max_size=40), st.lists(st.integers(0, 1000), max_size=8))
def test_a_subnegotiation_cut_anywhere_is_read_whole(content: bytes, cuts: list[int]) -> None:
    data = b"before" + subnegotiation(COM_PORT, content) + b"after"
    assert in_pieces(Connection(), data, cuts) == (b"beforeafter", b"", [bytes([COM_PORT]) + content])


@given(st.binary(max_size=200), st.lists(st.integers(0, 1000), max_size=8))
def test_anything_is_read_without_failing_and_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    whole = Connection({COM_PORT})
    assert in_pieces(Connection({COM_PORT}), data, cuts) == in_pieces(whole, data, [])


def test_an_event_knows_how_much_payload_came_before_it() -> None:
    parsed = Connection().receive(b"abc" + subnegotiation(COM_PORT, b"x") + b"de" + subnegotiation(COM_PORT, b"y"))
    assert parsed.payload == b"abcde"
    assert [offset for offset, _ in parsed.events] == [3, 5]


def test_unknown_options_are_refused_both_ways() -> None:
    connection = Connection()
    assert connection.receive(bytes([0xFF, 0xFD, ECHO])).reply == bytes([0xFF, 0xFC, ECHO])
    assert connection.receive(bytes([0xFF, 0xFB, ECHO])).reply == bytes([0xFF, 0xFE, ECHO])
    assert connection.receive(bytes([0xFF, 0xFE, ECHO])).reply == b""
    assert connection.receive(bytes([0xFF, 0xFC, ECHO])).reply == b""


def test_what_was_asked_for_is_not_confirmed_again() -> None:
    connection = Connection({COM_PORT})
    request = connection.open(local=(COM_PORT,), remote=())
    assert request == bytes.fromhex("FFFB00 FFFB03 FFFB2C FFFD00 FFFD03")
    parsed = connection.receive(bytes.fromhex("FFFD2C FFFB00"))
    assert parsed.reply == b""
    assert [happened for _, happened in parsed.events] == [
        Negotiated(COM_PORT, True, True),
        Negotiated(BINARY, False, True),
    ]


def test_a_refusal_is_reported_and_not_argued_with() -> None:
    connection = Connection({COM_PORT})
    connection.open(local=(COM_PORT,), remote=())
    parsed = connection.receive(bytes.fromhex("FFFE2C"))
    assert (parsed.reply, [happened for _, happened in parsed.events]) == (b"", [Negotiated(COM_PORT, True, False)])


def test_two_ends_that_both_ask_settle_without_a_loop() -> None:
    near, far = Connection({COM_PORT}), Connection({COM_PORT})
    to_far = near.open(local=(COM_PORT,), remote=(COM_PORT,))
    to_near = far.open(local=(COM_PORT,), remote=(COM_PORT,))
    for _ in range(5):
        to_near, to_far = far.receive(to_far).reply, near.receive(to_near).reply
    assert to_near == to_far == b""


def test_an_endless_subnegotiation_is_cut_off() -> None:
    connection = Connection()
    connection.receive(bytes([0xFF, 0xFA, COM_PORT]))
    for _ in range(100):
        connection.receive(bytes(10_000))
    ((_, content),) = connection.receive(b"\xff\xf0after").events
    assert isinstance(content, bytes)
    assert len(content) == SUBNEGOTIATION_LIMIT


def test_telnet_commands_without_meaning_vanish() -> None:
    assert Connection().receive(b"a\xff\xf1b\xff\xf6c").payload == b"abc"
