"""The benchmarks' own arithmetic; nothing here is timed."""

from __future__ import annotations

import pytest

from benchmarks import bus_day, decoding, poller
from benchmarks.__main__ import main
from benchmarks.measure import Result, interleaved, table
from mbusbench.codec.telegram import decode_telegram
from tests.telegrams import READOUTS


@pytest.mark.parametrize(
    ("ratio", "bound", "at_least", "verdict"),
    [(5.0, 5, True, "ok"), (4.99, 5, True, "short"), (2.5, 2.5, False, "ok"), (2.51, 2.5, False, "short")],
)
def test_bound_is_met_or_missed(ratio: float, bound: float, at_least: bool, verdict: str) -> None:
    assert Result("x", "read", 1.0, 1.0, ratio, bound, at_least).verdict == verdict


def test_both_sides_run_and_the_ratio_is_peer_to_ours() -> None:
    calls: list[str] = []
    mine, theirs, ratio = interleaved(lambda: calls.append("ours"), lambda: calls.append("peer"), rounds=4)
    assert {"ours", "peer"} == set(calls)
    assert min(mine, theirs, ratio) > 0


def test_peer_that_is_missing_is_named_and_meets_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> decoding.Peer:
        raise ImportError("pymbusparser")

    monkeypatch.setattr(decoding, "_pymbusparser", refuse)
    result = decoding.warm_against_pymbusparser()
    assert result.verdict == "missing"
    assert "pymbusparser" in table([result])


def test_telegram_that_a_peer_gives_up_is_left_out() -> None:
    def ours(frame: bytes) -> object:
        return frame

    def parse(frame: bytes) -> object:
        raise RuntimeError(frame)

    assert decoding.accepted([b"a"], ours, decoding.Peer("peer", parse, lambda frame: bool(parse(frame)))) == []
    assert decoding.accepted([b"a", b"b"], ours, decoding.Peer("peer", ours, lambda frame: frame == b"b")) == [b"b"]


def test_every_telegram_of_the_benchmark_is_taken_by_us() -> None:
    assert decoding.refused_by_us() == []


def test_telegram_is_walked_over_again_after_the_caches_are_cleared() -> None:
    frame = bytes.fromhex(READOUTS["water_three_records"])
    for _ in range(3):
        decoding.typed(frame)
    assert decode_telegram(frame).structure.compiled
    decoding.clear_caches()
    assert not decode_telegram(frame).structure.compiled


def test_unknown_benchmark_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["nothing"])
    assert caught.value.code == 2
    assert "decoding, exchange, bus, line, startup, poller, pacing, search, catalogue" in capsys.readouterr().err


def test_every_readout_of_the_bus_benchmark_succeeds_and_takes_its_time_on_the_line() -> None:
    found = bus_day.run(3, 2)
    assert found.readouts == 6
    octets, delays = 5 + 1 + 5 + 195, 2 * (11 / 2400 + 0.003)
    shortest = 6 * (octets * 11 / 2400 + delays)
    assert shortest <= found.bus <= shortest + 12 * 0.002


def test_every_readout_of_the_poller_benchmark_succeeds() -> None:
    found = poller.measure(2, 1.0, 1, warm_up=0.5)
    assert found.readouts > 0
    assert found.bad == 0
