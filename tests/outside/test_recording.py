"""Recorded answers, imported, served and read again: the same bytes."""

from __future__ import annotations

from typing import Any

import pytest

from mbusbench.codec.control_field import PRM
from mbusbench.codec.frame import LongFrame, ShortFrame, decode_frame
from mbusbench.definition.yaml_text import reads_back, yaml_text
from mbusbench.meter.meter import Meter
from mbusbench.meter.recording import Readout, device_data, device_of, failures
from tests.outside.corpus import conversation_answers, corpus_telegrams, needs_corpus, recorded_telegrams


def answer(telegram: dict[str, Any]) -> LongFrame | None:
    """The telegram where a slave sent it."""
    frame = decode_frame(bytes.fromhex(telegram["hex"]))
    return frame if isinstance(frame, LongFrame) and not frame.control & PRM else None


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
def test_answers_that_only_conversations_hold_are_sent_again_by_their_import() -> None:
    for telegram in conversation_answers():
        frame = answer(telegram)
        assert frame is not None
        check_round_trip(frame)
