"""Recorded answers, imported, served and read again: the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mbusbench.bus import VirtualBus
from mbusbench.codec.control_field import PRM
from mbusbench.codec.frame import LongFrame, ShortFrame, decode_frame
from mbusbench.definition.yaml_text import reads_back, yaml_text
from mbusbench.meter.meter import Meter
from mbusbench.meter.recording import Readout, device_data, device_of, failures
from mbusbench.recording.files import Options, recorded_bus, write
from mbusbench.recording.sources import read_recording
from mbusbench.recording.survey import survey
from tests.outside.corpus import CORPUS, corpus_telegrams, needs_corpus, read_lines, recorded_telegrams

NOT_TO_BE_REPEATED = {
    ("lorenz_dwz_waterstarm_private_payload", 0): "the meter answers a command with data; ours acknowledges it",
    ("node_mbus_simulated_bus", 6): "two meters match the mask, and one answers: it was a simulator",
    ("node_mbus_simulated_bus", 8): "two meters collide: what is left of it is the line's matter",
    ("axis_qalcosonic_heat1_selection", 10): "what was answered is not in the recording",
    ("axis_qalcosonic_heat1_selection", 11): "what was answered is not in the recording",
    ("axis_qalcosonic_heat1_selection", 12): "what was answered is not in the recording",
}


def answer(telegram: dict[str, Any]) -> LongFrame | None:
    """The telegram where a slave sent it."""
    frame = decode_frame(bytes.fromhex(telegram["hex"]))
    return frame if isinstance(frame, LongFrame) and not frame.control & PRM else None


def bus_of(text: str, directory: Path) -> VirtualBus:
    """The bus that `import` makes of a text."""
    recording = read_recording(text.encode(), "recording")
    write(recorded_bus(survey(recording.events, timed=recording.timed), Options()), directory, force=False)
    return VirtualBus.from_yaml(directory / "bus.yaml")


def check_round_trip(frame: LongFrame) -> None:
    data = device_data([Readout((frame,))])
    assert reads_back(yaml_text(data), data)
    meter = Meter(device_of(data))
    assert meter.link.receive(ShortFrame(0x7B, meter.address), 0) == frame
    assert failures(data) == []


SHIPPED = [(telegram["name"], frame) for telegram in recorded_telegrams() if (frame := answer(telegram))]


@pytest.mark.parametrize("frame", [frame for _, frame in SHIPPED], ids=[name for name, _ in SHIPPED])
def test_recorded_telegram_is_sent_again_by_its_import(frame: LongFrame) -> None:
    check_round_trip(frame)


@needs_corpus
def test_every_valid_answer_of_the_corpus_is_sent_again_by_its_import() -> None:
    frames = [answer(telegram) for telegram in corpus_telegrams() if telegram["valid"]]
    answers = [frame for frame in frames if frame is not None]
    assert len(answers) > 150
    for frame in answers:
        check_round_trip(frame)


@needs_corpus
def test_every_valid_answer_comes_back_from_a_bus_file(tmp_path: Path) -> None:
    for number, telegram in enumerate(corpus_telegrams()):
        frame = answer(telegram) if telegram["valid"] else None
        if frame is None:
            continue
        bus = bus_of(telegram["hex"], tmp_path / str(number))
        port = bus.open_port()
        bus.receive(port, ShortFrame(0x7B, bus.meters[0].address).encode(), 0)
        assert b"".join(send.data for send in bus.poll(0)) == frame.encode(), telegram["name"]


@needs_corpus
@pytest.mark.parametrize("start", range(0, 150, 30))
async def test_valid_answers_come_back_over_tcp(start: int, tmp_path: Path) -> None:
    await check_over_tcp(
        [frame for each in corpus_telegrams() if each["valid"] and (frame := answer(each))][start], tmp_path
    )


@pytest.mark.parametrize("frame", [frame for _, frame in SHIPPED[:3]])
async def test_shipped_answers_come_back_over_tcp(frame: LongFrame, tmp_path: Path) -> None:
    await check_over_tcp(frame, tmp_path)


async def check_over_tcp(frame: LongFrame, directory: Path) -> None:
    bus = bus_of(frame.encode().hex(), directory / "bus")
    wanted = frame.encode()
    async with asyncio.timeout(10), bus.serve("tcp://127.0.0.1:0") as server:
        host, _, port = server.url.removeprefix("socket://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(ShortFrame(0x7B, bus.meters[0].address).encode())
        assert await reader.readexactly(len(wanted)) == wanted
        writer.close()
        await writer.wait_closed()


def requests(conversation: dict[str, Any]) -> Iterator[tuple[int, bytes, bytes]]:
    """(number of the step, request, answer or b"")."""
    steps = conversation["steps"]
    for number, step in enumerate(steps):
        if step["dir"] == "tx":
            after = steps[number + 1] if number + 1 < len(steps) else {"dir": "tx"}
            yield number, bytes.fromhex(step["hex"]), bytes.fromhex(after["hex"]) if after["dir"] == "rx" else b""


@needs_corpus
def test_every_conversation_is_answered_as_it_was(tmp_path: Path) -> None:
    replayed = 0
    for conversation in read_lines(CORPUS / "conversations.jsonl"):
        steps = list(requests(conversation))
        if not any(answered[:1] == b"\x68" for _, _, answered in steps):
            continue  # commands and acknowledges only: no meter is known
        log = "\n".join(f"{'>' if step['dir'] == 'tx' else '<'} {step['hex']}" for step in conversation["steps"])
        bus = bus_of(log, tmp_path / conversation["name"])
        for number, request, answered in steps:
            frame = decode_frame(request)
            answers = [found.encode() for meter in bus.meters if (found := meter.link.receive(frame, 0)) is not None]
            if (conversation["name"], number) in NOT_TO_BE_REPEATED:
                continue
            # Several acknowledges at once are one on the line.
            assert set(answers) == ({answered} if answered else set()), (conversation["name"], number)
            replayed += 1
    assert replayed > 50
