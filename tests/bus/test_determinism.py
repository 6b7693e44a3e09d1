"""The same bus file, seed and client give the same trace, byte for byte: in any process, on any Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bus.determinism import BUS, digest, transcript

STORED = Path(__file__).with_name("determinism.sha256")
ROOT = Path(__file__).parents[2]


def test_trace_is_that_of_every_python() -> None:
    found = digest(transcript())
    reason = f"the trace has changed. Where that is meant, {STORED.name} gets the digest {found}"
    assert found == STORED.read_text("ascii").strip(), reason


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_trace_is_the_same_in_another_process(hash_seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bus.determinism"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == transcript()


def test_trace_is_another_with_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = transcript()
    monkeypatch.setattr("tests.bus.determinism.BUS", BUS.replace("seed: 2026", "seed: 3026"))
    assert transcript() != before


def test_trace_has_collisions_and_telegrams_of_every_meter() -> None:
    lines = transcript().splitlines()
    assert len(lines) > 100
    assert any('"collision"' in line for line in lines)
    assert any('"kind":"noise"' in line for line in lines)
    assert all(any(f'"fault","{name}"' in line for line in lines) for name in ("lossy", "noisy"))
    assert all(any(f'"source":"slave {address}"' in line for line in lines) for address in (1, 2, 3, 4, 5, 9))
