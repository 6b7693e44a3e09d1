"""The whole catalogue, twice, in processes that hash differently: the same traces and the same verdicts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_DIGESTS = """
import hashlib
from mbusbench.scenario.case import run_variant
from mbusbench.scenario.driver.builtin import BuiltinMaster
from tests.scenario.cases import catalogue
for variant in catalogue():
    judgement = run_variant(variant, BuiltinMaster(), 5)
    events = judgement.observation.events if judgement.observation is not None else ()
    text = repr((events, judgement.findings, sorted(judgement.columns.items())))
    print(variant.name, judgement.verdict, hashlib.sha256(text.encode()).hexdigest())
"""


def _run(seed: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", _DIGESTS],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": seed},
    ).stdout.splitlines()


def test_the_same_seed_gives_the_same_traces_and_verdicts_in_any_process() -> None:
    first, second = _run("0"), _run("4711")
    assert len(first) > 100
    assert [line for line in first if line not in second] == []
