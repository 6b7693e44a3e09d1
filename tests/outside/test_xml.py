"""Readings as XML beside what libmbus prints for the same telegram: every difference is one that is meant."""

from __future__ import annotations

import re
from itertools import zip_longest

import pytest

from mbusbench.errors import DecodeError
from mbusbench.master.results import decode
from tests.interop.parts import need
from tests.outside.corpus import corpus_telegrams, needs_corpus, recorded_telegrams
from tests.outside.peers import PeerError, libmbus_xml

pytestmark = pytest.mark.interop

# Value lines (libmbus, ours) that may differ: no date at all, recurring dates, times that libmbus takes for numbers.
_MEANT = (
    (r"\d{4}-\d\d-\d\d(T.*)?", r""),
    (r"2127-.*", r"\*-.*"),
    (r"-?\d+", r"(\d{4}-\d\d-\d\dT.*)?"),
    (r"-nan", r"nan"),
)


def _differences(frame: bytes) -> list[tuple[str, str]]:
    try:
        theirs = libmbus_xml(frame)
        ours = decode(frame).to_xml()
    except (PeerError, DecodeError):
        return []
    theirs = re.sub(r"<ProductName>.*?</ProductName>", "<ProductName></ProductName>", theirs)
    ours = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), ours)
    pairs = zip_longest(theirs.splitlines(), ours.splitlines(), fillvalue="")
    return [(one, other) for one, other in pairs if one != other and not _is_meant(one, other)]


def _is_meant(theirs: str, ours: str) -> bool:
    values = [re.fullmatch(r" *<Value>(.*)</Value>", line) for line in (theirs, ours)]
    if not all(values):
        return False
    one, other = (match[1] for match in values if match)
    if not one.isprintable() or "\ufffd" in one:
        return True  # bytes that are no text, which a C string cuts off
    return any(re.fullmatch(theirs_like, one) and re.fullmatch(ours_like, other) for theirs_like, ours_like in _MEANT)


def test_recorded_telegrams_are_the_same_document() -> None:
    need("libmbus")
    telegrams = [telegram for telegram in recorded_telegrams() if "key" not in telegram]
    assert telegrams
    assert {t["name"]: _differences(bytes.fromhex(t["hex"])) for t in telegrams} == {t["name"]: [] for t in telegrams}


@needs_corpus
def test_telegrams_of_the_corpus_are_the_same_document() -> None:
    need("libmbus")
    found = {t["name"]: _differences(bytes.fromhex(t["hex"])) for t in corpus_telegrams() if t["valid"]}
    assert {name: lines for name, lines in found.items() if lines} == {}
