"""Every telegram of the corpus against what it is known to mean, and back to the same bytes."""

from __future__ import annotations

from typing import Any

import pytest

from mbusbench.codec.frame import decode_frame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.codec.telegram import Telegram
from mbusbench.errors import DecodeError
from tests.outside.corpus import (
    CORPUS,
    conversation_answers,
    corpus_telegrams,
    needs_corpus,
    read_lines,
    recorded_telegrams,
)
from tests.outside.differences import DIFFERENCES
from tests.outside.normalise import compare_telegram, decode_telegram

VALID = [telegram for telegram in corpus_telegrams() if telegram["valid"]]
BROKEN = [telegram for telegram in corpus_telegrams() if not telegram["valid"]]
READOUTS = [telegram for telegram in VALID if telegram["kind"] not in ("control", "manufacturer-ci")]
ERRORS = [telegram for telegram in VALID if telegram["kind"] == "app-error"]


def _names(telegrams: list[dict[str, Any]]) -> list[str]:
    return [telegram["name"] for telegram in telegrams]


def _listed(name: str) -> list[tuple[str, str, str]]:
    return [
        (row["place"], str(row["expected"]), str(row["ours"]))
        for entry in DIFFERENCES["corpus"]
        if name in entry["telegrams"]
        for row in entry["differences"]
    ]


def _found(telegram: Telegram, expected: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    return [(place, str(theirs), str(ours)) for place, theirs, ours in compare_telegram(telegram, expected or {})]


@needs_corpus
def test_corpus_has_the_telegrams_that_the_tests_are_made_for() -> None:
    assert len(VALID) >= 174
    assert len(BROKEN) >= 22


@needs_corpus
@pytest.mark.parametrize("telegram", VALID, ids=_names(VALID))
def test_telegram_means_what_the_corpus_says(telegram: dict[str, Any]) -> None:
    decoded = decode_telegram(bytes.fromhex(telegram["hex"]))
    assert _found(decoded, telegram["expected"]) == _listed(telegram["name"])


@needs_corpus
@pytest.mark.parametrize("telegram", VALID, ids=_names(VALID))
def test_telegram_is_encoded_to_the_bytes_it_came_from(telegram: dict[str, Any]) -> None:
    raw = bytes.fromhex(telegram["hex"])
    frame = decode_frame(raw)
    assert frame.encode() == raw
    decoded = decode_telegram(raw)
    assert decoded.encode() == raw[7:-2]
    assert b"".join(record.encode() for record in decoded.records) in raw or "2f" in telegram["hex"]


@needs_corpus
@pytest.mark.parametrize("telegram", VALID, ids=_names(VALID))
def test_link_layer_is_read_as_the_corpus_says(telegram: dict[str, Any]) -> None:
    link = telegram["link"]
    frame: Any = decode_frame(bytes.fromhex(telegram["hex"]))
    assert (frame.control, frame.address, frame.ci) == (int(link["c"], 16), link["a"], int(link["ci"], 16))


@needs_corpus
@pytest.mark.parametrize("telegram", READOUTS, ids=_names(READOUTS))
def test_readout_that_is_whole_has_no_diagnostics(telegram: dict[str, Any]) -> None:
    assert decode_telegram(bytes.fromhex(telegram["hex"])).diagnostics == ()


@needs_corpus
@pytest.mark.parametrize("telegram", ERRORS, ids=_names(ERRORS))
def test_application_error_has_the_code_that_was_sent(telegram: dict[str, Any]) -> None:
    code = telegram["expected"]["application_error"]
    assert decode_telegram(bytes.fromhex(telegram["hex"])).application_error == int(code or "0", 16)


@needs_corpus
@pytest.mark.parametrize("telegram", BROKEN, ids=_names(BROKEN))
def test_broken_telegram_is_refused_or_read_up_to_the_mistake(telegram: dict[str, Any]) -> None:
    raw = bytes.fromhex(telegram["hex"])
    entry = next((entry for entry in DIFFERENCES["broken"] if telegram["name"] in entry["telegrams"]), None)
    if entry is None or entry["records"] is None:
        with pytest.raises(DecodeError) as caught:
            decode_telegram(raw)
        assert caught.value.layer == ("application" if telegram.get("link_layer_ok") else "link")
        return
    decoded = decode_telegram(raw)
    assert len(decoded.records) == entry["records"]
    assert [entry["diagnostic"] in str(diagnostic) for diagnostic in decoded.diagnostics] == [True]
    assert decoded.encode() == raw[7:-2]


@needs_corpus
def test_every_broken_telegram_with_a_good_link_layer_is_listed() -> None:
    listed = {name for entry in DIFFERENCES["broken"] for name in entry["telegrams"]}
    assert listed == {telegram["name"] for telegram in BROKEN if telegram.get("link_layer_ok")}


@needs_corpus
def test_every_listed_difference_names_a_telegram_of_the_corpus() -> None:
    listed = {name for entry in DIFFERENCES["corpus"] for name in entry["telegrams"]}
    assert listed <= {telegram["name"] for telegram in VALID}


@needs_corpus
def test_frame_reader_finds_every_telegram_in_one_stream() -> None:
    frames = [bytes.fromhex(telegram["hex"]) for telegram in VALID]
    reader = FrameReader()
    found = reader.receive(b"".join(frames))
    assert [frame.encode() for frame in found if not isinstance(frame, Reject)] == frames
    assert reader.pending == b""


@needs_corpus
def test_frame_reader_finds_the_answers_of_every_conversation() -> None:
    known = {telegram["hex"] for telegram in VALID} | {answer["hex"] for answer in conversation_answers()}
    for conversation in read_lines(CORPUS / "conversations.jsonl"):
        reader = FrameReader()
        for step in conversation["steps"]:
            if step["dir"] != "rx":
                continue
            raw = bytes.fromhex(step["hex"])
            found = [*reader.receive(raw), *reader.idle()]
            assert b"".join(item.raw if isinstance(item, Reject) else item.encode() for item in found) == raw
            if step["hex"] in known:
                assert [type(item).__name__ for item in found] == ["LongFrame"], conversation["name"]


@needs_corpus
def test_every_telegram_of_a_conversation_is_one_of_the_corpus_or_comes_back_as_it_was() -> None:
    for answer in conversation_answers():
        raw = bytes.fromhex(answer["hex"])
        assert decode_telegram(raw).encode() == raw[7:-2]


@pytest.mark.parametrize("telegram", recorded_telegrams(), ids=lambda telegram: telegram["name"])
def test_recorded_telegram_means_what_was_checked(telegram: dict[str, Any]) -> None:
    raw = bytes.fromhex(telegram["hex"])
    key = bytes.fromhex(telegram["key"]) if "key" in telegram else None
    decoded = decode_telegram(raw, key=key)
    assert _found(decoded, telegram["expected"]) == []
    assert decoded.encode() == raw[7:-2]
    assert decode_frame(raw).encode() == raw
