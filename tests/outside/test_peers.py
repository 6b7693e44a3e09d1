"""The same telegrams through other people's decoders: every difference is one whose rule is known."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import pytest

from mbusbench.errors import DecodeError
from tests.interop.parts import need
from tests.outside import judge
from tests.outside.corpus import corpus_telegrams, needs_corpus, recorded_telegrams
from tests.outside.differences import DIFFERENCES
from tests.outside.normalise import decode_telegram
from tests.outside.peers import PEERS, PeerError, Reading

pytestmark = pytest.mark.interop

KINDS = ("wired-long", "multi-telegram", "fixed", "mode2", "no-header")


def _telegrams() -> list[dict[str, Any]]:
    corpus = [telegram for telegram in corpus_telegrams() if telegram["valid"] and telegram["kind"] in KINDS]
    return [*(telegram for telegram in recorded_telegrams() if "key" not in telegram), *corpus]


def _differences(peer: str) -> list[str]:
    found = []
    for telegram in _telegrams():
        raw = bytes.fromhex(telegram["hex"])
        try:
            readings = PEERS[peer](raw)
        except PeerError:
            found.append(f"{telegram['name']}: refused")
            continue
        found += [f"{telegram['name']}: {text}" for text in judge.compare(decode_telegram(raw).records, readings)]
    return found


@pytest.fixture(params=sorted(PEERS))
def peer(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


@pytest.fixture
def listed_peer(peer: str) -> str:
    """A peer of the release for which the differences were listed."""
    listed = DIFFERENCES["versions"].get(peer)
    if listed is not None and version(peer) != listed:
        pytest.skip(f"the differences are listed for {peer} {listed}, {version(peer)} is installed")
    return peer


def test_every_difference_from_a_peer_has_its_rule(listed_peer: str) -> None:
    patterns = [entry["pattern"] for entry in DIFFERENCES["peers"][listed_peer]]
    found = _differences(listed_peer)
    assert [text for text in found if not any(re.search(pattern, text) for pattern in patterns)] == []


def test_peer_takes_most_telegrams(peer: str) -> None:
    telegrams = _telegrams()
    refused = [text for text in _differences(peer) if text.endswith(": refused")]
    assert len(refused) <= len(telegrams) // 4


def test_judge_sees_a_wrong_place_unit_and_value() -> None:
    telegram = decode_telegram(bytes.fromhex(recorded_telegrams()[0]["hex"]))
    right = [
        Reading("instantaneous", 0, 0, 0, "m^3", "12.565"),
        Reading("maximum", 5, 0, 0, "m^3/h", "0.113"),
        Reading("instantaneous", 0, 2, 1, "Wh", "218370"),
    ]
    assert list(judge.compare(telegram.records, right)) == []
    wrong = [right[0]._replace(value="12.566"), right[1]._replace(storage=4), right[2]._replace(unit="J")]
    assert [text.split(":")[0] for text in judge.compare(telegram.records, wrong)] == [
        "record 0 value",
        "record 1 place",
        "record 2 unit",
    ]
    assert next(judge.compare(telegram.records, right[:2])) == "number of records: peer 2, ours 3"


def test_peers_refuse_what_is_no_frame(peer: str) -> None:
    with pytest.raises(DecodeError):
        decode_telegram(b"\x68\x03\x03\x68\x08\x01\x72\x00\x16")
    with pytest.raises(PeerError):
        PEERS[peer](b"\x68\x03\x03\x68\x08\x01\x72\x00\x16")


@needs_corpus
def test_every_rule_explains_a_difference_that_is_there(listed_peer: str) -> None:
    found = _differences(listed_peer)
    patterns = [entry["pattern"] for entry in DIFFERENCES["peers"][listed_peer]]
    assert [pattern for pattern in patterns if not any(re.search(pattern, text) for text in found)] == []
