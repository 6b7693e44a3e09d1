"""The telegrams that are timed: the corpus where it is there, else the shared telegrams of the tests."""

from __future__ import annotations

from tests.outside.corpus import CORPUS, corpus_telegrams
from tests.telegrams import READOUTS

_KINDS = ("wired-long", "multi-telegram")


def readouts() -> tuple[str, list[bytes]]:
    """(where they are from, whole frames with CI 72)."""
    frames = [
        bytes.fromhex(telegram["hex"])
        for telegram in corpus_telegrams()
        if telegram["valid"] and telegram["kind"] in _KINDS
    ]
    if frames:
        return f"corpus, {len(frames)} telegrams", frames
    frames = [bytes.fromhex(text) for name, text in READOUTS.items() if "fixed" not in name and "encrypted" not in name]
    return f"no corpus at {CORPUS}: tests/telegrams.py, {len(frames)} telegrams", frames
