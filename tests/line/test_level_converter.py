"""The master's port: echo, and breaks where several slaves are in space at once."""

from __future__ import annotations

from mbusbench.line import LevelConverter, Received, Transmission
from mbusbench.timing import bit_time, character_time

REQUEST = bytes.fromhex("10 5B 01 5C 16")
ACK = b"\xe5"
MS = 1_000_000


def received_by(converter: LevelConverter) -> list[Received]:
    received = []
    while (wakeup := converter.next_wakeup()) is not None:
        received += converter.poll(wakeup)
    return received


def test_the_echo_brings_each_character_of_the_master_back_when_it_has_been_sent() -> None:
    converter = LevelConverter(2400, echo=True)
    converter.send(Transmission(0, REQUEST, 2400))
    assert [(piece.end, piece.data) for piece in received_by(converter)] == [(character_time(2400, 5), REQUEST)]


def test_without_echo_the_master_does_not_hear_itself() -> None:
    converter = LevelConverter(2400)
    converter.send(Transmission(0, REQUEST, 2400))
    assert converter.next_wakeup() is None


def test_an_answer_over_the_echo_collides_with_it() -> None:
    converter = LevelConverter(2400, echo=True)
    converter.send(Transmission(0, b"\xff\xff", 2400))
    converter.transmit(Transmission(0, b"\x0f", 2400))
    assert b"".join(piece.data for piece in received_by(converter)) == b"\x0f\xff"


def test_two_slaves_in_space_give_a_break_where_the_converter_signals_collisions() -> None:
    converter = LevelConverter(2400, collision_break=50 * MS)
    converter.transmit(Transmission(0, ACK, 2400))
    converter.transmit(Transmission(0, ACK, 2400))
    (received,) = received_by(converter)
    assert (received.data, received.framing_errors) == (b"\x00", (0,))


def test_two_slaves_in_space_give_no_break_where_it_does_not() -> None:
    converter = LevelConverter(2400)
    converter.transmit(Transmission(0, ACK, 2400))
    converter.transmit(Transmission(0, ACK, 2400))
    assert [piece.data for piece in received_by(converter)] == [ACK]


def test_a_lone_slave_gives_no_break() -> None:
    converter = LevelConverter(2400, collision_break=50 * MS)
    converter.transmit(Transmission(0, REQUEST, 2400))
    converter.transmit(Transmission(100 * MS, REQUEST, 2400))
    assert [piece.data for piece in received_by(converter)] == [REQUEST, REQUEST]


def test_neighbouring_bits_of_two_slaves_are_no_collision() -> None:
    # FF is in space in bits 0 and 9, the late 7F in 2 and 10; by rounding its bit 10 begins 1 ns before bit 9 ends.
    first, second = Transmission(0, b"\xff", 9600), Transmission(bit_time(9600, 2), b"\x7f", 9600)
    assert first.spaces()[1][1] - second.spaces()[1][0] == 1
    converter = LevelConverter(9600, collision_break=50 * MS)
    converter.transmit(first)
    converter.transmit(second)
    assert [piece.data for piece in received_by(converter)] == [b"\xfd"]


def test_the_break_begins_with_the_collision_and_lasts_for_its_time() -> None:
    converter = LevelConverter(2400, collision_break=50 * MS)
    converter.transmit(Transmission(0, bytes(20), 2400))
    converter.transmit(Transmission(character_time(2400, 2), ACK, 2400))
    converter.transmit(Transmission(150 * MS, ACK, 2400))
    characters = [character for piece in received_by(converter) for character in piece.characters()]
    assert [(character.value, character.framing_error) for character in characters[:3]] == [
        (0, False),
        (0, False),
        (0, True),
    ]
    assert characters[3].time - characters[2].time >= 50 * MS - character_time(2400)
    assert characters[-1].value == 0xE5


def test_a_later_earlier_collision_moves_the_break_forward() -> None:
    converter = LevelConverter(2400, collision_break=50 * MS)
    converter.transmit(Transmission(0, bytes(10), 2400))
    converter.transmit(Transmission(character_time(2400, 8), ACK, 2400))
    converter.transmit(Transmission(character_time(2400, 1), ACK, 2400))
    (received,) = received_by(converter)
    assert received.data == b"\x00\x00"
    assert received.framing_errors == (1,)


def test_many_slaves_in_space_overload_the_converter() -> None:
    def port(slaves: int) -> list[Received]:
        converter = LevelConverter(2400, overload_break=100 * MS, overload_slaves=5)
        for _ in range(slaves):
            converter.transmit(Transmission(0, ACK, 2400))
        return received_by(converter)

    assert [(piece.data, piece.is_clean) for piece in port(4)] == [(ACK, True)]
    assert [(piece.data, piece.is_clean) for piece in port(5)] == [(b"\x00", False)]


def test_a_short_circuit_is_a_break_of_at_least_100_ms() -> None:
    converter = LevelConverter(2400)
    converter.short_circuit(0, 1 * MS)
    converter.transmit(Transmission(90 * MS, ACK, 2400))
    (received,) = received_by(converter)
    assert (received.data, received.framing_errors) == (b"\x00", (0,))


def test_polling_while_it_happens_gives_the_same_characters() -> None:
    signals = [Transmission(0, bytes(20), 2400), Transmission(character_time(2400, 2), ACK, 2400)]
    at_once = LevelConverter(2400, collision_break=50 * MS)
    for signal in signals:
        at_once.transmit(signal)
    as_it_happens = LevelConverter(2400, collision_break=50 * MS, by_character=True)
    as_it_happens.transmit(signals[0])
    early = as_it_happens.poll(signals[1].start)
    as_it_happens.transmit(signals[1])
    pieces = [*early, *received_by(as_it_happens)]
    expected = [character for piece in received_by(at_once) for character in piece.characters()]
    assert [character.value for piece in pieces for character in piece.characters()] == [
        character.value for character in expected
    ]
