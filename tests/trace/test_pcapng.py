"""pcapng, judged by the blocks of its specification, and by tshark where that is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from struct import unpack_from
from typing import NamedTuple

import pytest

from mbusbench.trace import Kind, TraceEvent
from mbusbench.trace.files import FORMATS, encode
from mbusbench.trace.header import TraceHeader
from mbusbench.trace.pcapng import LINKTYPE_USER0, PcapngEncoder
from mbusbench.trace.recorder import Trace
from tests.trace.sample import RESET, TELEGRAM, answered, received, sample, sent, shown

EPOCH_2026 = 1_767_225_600 * 10**9


class Packet(NamedTuple):
    interface: int
    time: int
    data: bytes
    flags: int
    comment: str


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        kind, length = unpack_from("<II", data, position)
        assert length % 4 == 0
        assert unpack_from("<I", data, position + length - 4) == (length,)
        yield kind, data[position + 8 : position + length - 4]
        position += length
    assert position == len(data)


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while True:
        code, length = unpack_from("<HH", data, position)
        if code == 0:
            assert (length, position + 4) == (0, len(data))
            return found
        found[code] = data[position + 4 : position + 4 + length]
        position += 4 + (length + 3) // 4 * 4


def _packets(data: bytes) -> list[Packet]:
    found = []
    for kind, body in _blocks(data):
        if kind != 6:
            continue
        interface, high, low, captured, original = unpack_from("<IIIII", body)
        assert captured == original
        options = _options(body[20 + (captured + 3) // 4 * 4 :])
        (flags,) = unpack_from("<I", options.get(2, bytes(4)))
        found.append(Packet(interface, high << 32 | low, body[20 : 20 + captured], flags, options[1].decode()))
    return found


def _packets_of(*events: TraceEvent) -> list[Packet]:
    return _packets(encode(Trace(TraceHeader(), events), PcapngEncoder()))


def test_file_begins_with_a_section_and_two_interfaces() -> None:
    (section, head), (first, line), (second, ports), *rest = _blocks(shown("pcapng"))
    assert (section, first, second) == (0x0A0D0D0A, 1, 1)
    assert unpack_from("<IHHq", head) == (0x1A2B3C4D, 1, 0, -1)
    assert _options(head[16:])[1].decode() == "Bürohaus, seed 7"
    assert unpack_from("<HHI", line) == unpack_from("<HHI", ports) == (LINKTYPE_USER0, 0, 0)
    assert (_options(line[8:])[2], _options(ports[8:])[2]) == (b"line", b"ports")
    assert _options(line[8:])[9] == _options(ports[8:])[9] == b"\x09"
    assert {kind for kind, _ in rest} == {6}


def test_packet_is_one_frame_with_time_and_direction() -> None:
    request, answer, arrival = _packets_of(sent(7, RESET), answered(10**9 + 1, TELEGRAM), received(10**9 + 1, TELEGRAM))
    assert request == Packet(0, EPOCH_2026 + 7, RESET, 2, "port 1: SND_NKE, address 5")
    assert answer[:4] == (0, EPOCH_2026 + 10**9 + 1, TELEGRAM, 1)
    assert arrival[:4] == (1, EPOCH_2026 + 10**9 + 1, TELEGRAM, 1)


def test_pieces_of_a_frame_are_one_packet() -> None:
    first = answered(0, TELEGRAM[:9])
    (packet,) = _packets_of(first, answered(first.end, TELEGRAM[9:]))
    assert packet.data == TELEGRAM


def test_errors_are_in_the_flags() -> None:
    wrong = TELEGRAM[:-2] + bytes([TELEGRAM[-2] ^ 1]) + TELEGRAM[-1:]
    parity, checksum = _packets_of(
        received(0, TELEGRAM, parity_errors=(3,)), received(10**9, wrong, cause=("bad luck",))
    )
    assert (parity.flags >> 24, checksum.flags >> 24) == (0x80, 0x01)
    assert checksum.comment.endswith("[bad luck]")


def test_what_has_no_bytes_is_an_empty_packet_with_a_comment() -> None:
    comments = [packet.comment for packet in _packets(shown("pcapng")) if not packet.data]
    assert comments == [
        "port 1: note: opened",
        "port 1: note: format: 2400 baud, parity even",
        "slave 5: note: fault: weak driver",
        "port 1: break",
        "note: power-cycle",
    ]


def test_half_a_frame_is_a_packet_at_the_end() -> None:
    assert [packet.data for packet in _packets_of(sent(0, RESET[:3]))] == [RESET[:3]]


def test_junk_without_end_keeps_its_comment_short() -> None:
    event = TraceEvent(0, Kind.NOISE, data=bytes(100_000), cause=("x" * 100_000,))
    (packet,) = _packets_of(event)
    assert (len(packet.data), len(packet.comment)) == (100_000, 65_000)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_every_packet(tmp_path: Path) -> None:
    path = tmp_path / "sample.pcapng"
    path.write_bytes(encode(sample(), FORMATS["pcapng"]()))
    fields = ("frame.time_epoch", "frame.len", "frame.packet_flags_direction", "frame.interface_name", "frame.comment")
    command = ["tshark", "-r", str(path), "-T", "fields", *(part for name in fields for part in ("-e", name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    shown_by_tshark = [line.split("\t") for line in done.stdout.splitlines()]
    packets = _packets(path.read_bytes())
    assert len(shown_by_tshark) == len(packets)
    for row, packet in zip(shown_by_tshark, packets, strict=True):
        seconds, length, direction, interface, comment = row
        whole, nanoseconds = seconds.split(".")
        assert int(whole) * 10**9 + int(nanoseconds) == packet.time
        assert int(length) == len(packet.data)
        assert int(direction or "0", 16) == packet.flags & 3
        assert interface == ("line", "ports")[packet.interface]
        assert comment == packet.comment
