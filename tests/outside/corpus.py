"""Where the corpus of recorded telegrams is, and how it is read. It is no part of the project: tests skip without it.

It is looked for at `../shared/corpus` beside the repository, or where MBUSBENCH_CORPUS says.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("MBUSBENCH_CORPUS") or ROOT.parent / "shared" / "corpus")
RECORDED = Path(__file__).with_name("recorded.jsonl")

needs_corpus = pytest.mark.skipif(
    not (CORPUS / "telegrams.jsonl").is_file(),
    reason=f"no corpus of recorded telegrams at {CORPUS} (set MBUSBENCH_CORPUS)",
)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; none where the file is absent."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


@cache
def corpus_telegrams() -> list[dict[str, Any]]:
    """Every telegram of the corpus, broken ones included."""
    return read_lines(CORPUS / "telegrams.jsonl")


@cache
def conversation_answers() -> list[dict[str, Any]]:
    """Every long frame that a slave sent in a recorded conversation and that is no telegram of the corpus."""
    known = {telegram["hex"] for telegram in corpus_telegrams()}
    found: dict[str, dict[str, Any]] = {}
    for conversation in read_lines(CORPUS / "conversations.jsonl"):
        for step in conversation["steps"]:
            text = step["hex"].lower()
            if step["dir"] == "rx" and text.startswith("68") and text not in known:
                found.setdefault(text, {"name": conversation["name"], "hex": text, "note": step.get("note")})
    return list(found.values())


def recorded_telegrams() -> list[dict[str, Any]]:
    """The telegrams that come with the tests, in the corpus's form."""
    return read_lines(RECORDED)
