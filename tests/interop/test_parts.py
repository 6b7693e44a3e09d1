from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import parts


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(parts, "LIBMBUS", tmp_path / "libmbus.so")
    monkeypatch.setattr(parts, "HOME_ASSISTANT", tmp_path / "home-assistant")
    monkeypatch.delenv("MBUSBENCH_REQUIRE", raising=False)


@pytest.mark.parametrize("part", ["socat", "node-mbus", "libmbus", "home-assistant"])
def test_missing_part_skips_the_test_and_says_what_brings_it(part: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"is not (installed|there).*(package|tests/interop/install)"):
        parts.need(part)


def test_missing_part_fails_the_test_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBUSBENCH_REQUIRE", "node-mbus, socat")
    with pytest.raises(pytest.fail.Exception, match="MBUSBENCH_REQUIRE names socat, but socat is not installed"):
        parts.need("socat")
    with pytest.raises(pytest.skip.Exception):
        parts.need("libmbus")


def test_mistyped_requirement_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBUSBENCH_REQUIRE", "socta")
    with pytest.raises(AssertionError, match="there are only socat, "):
        parts.need("socat")
