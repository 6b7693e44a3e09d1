"""A sample of the campaign of reads, and its judges: what is expected, and that wrong and old values are seen."""

from __future__ import annotations

import random

import pytest

from mbusbench.codec.frame import decode_frame
from mbusbench.errors import MBusDecodeError
from mbusbench.master.freshness import Freshness
from mbusbench.protocol.master_link import MasterLink
from tests.campaign.expectation import tail, unseen
from tests.campaign.reads import KINDS, RATE, Summary, run, sample_frames
from tests.moving_meters import meters

FRAME = bytes.fromhex("68 08 08 68 08 05 72 0C 13 01 02 80 21 16")


def assert_good(summary: Summary, reads: int) -> None:
    assert summary.is_good, summary.text()
    assert summary.reads == reads
    for kind, tally in summary.tallies.items():
        assert tally.right > 0.9 * tally.reads, f"{kind}: {summary.text()}"


def test_twenty_thousand_reads_bring_no_wrong_value_beyond_what_a_checksum_cannot_see() -> None:
    summary = run(20_000, 7)
    assert_good(summary, 20_000)
    assert summary.tallies["no parity"].accepted > 0
    assert len(summary.faults) >= 27
    assert min(summary.faults.values()) > 20


@pytest.mark.campaign
def test_a_million_reads_bring_no_wrong_value_beyond_what_a_checksum_cannot_see() -> None:
    summary = run(1_000_000, 7)
    print(summary.text())
    assert_good(summary, 1_000_000)


def test_same_seed_gives_the_same_run() -> None:
    first, second = run(300, 5), run(300, 5)
    assert (first.tallies, first.faults, first.virtual) == (second.tallies, second.faults, second.virtual)


@pytest.mark.parametrize("rate", [0.02, 0.06])
@pytest.mark.parametrize("parity", [False, True])
def test_expectation_is_what_inverted_bits_come_to(rate: float, parity: bool) -> None:
    source = random.Random(f"{rate}/{parity}")
    tries, accepted = 20_000, 0
    for _ in range(tries):
        masks = [sum((source.random() < rate) << bit for bit in range(9)) for _ in FRAME]
        if not any(mask & 0xFF for mask in masks) or (parity and any(mask.bit_count() % 2 for mask in masks)):
            continue
        damaged = bytes(value ^ mask & 0xFF for value, mask in zip(FRAME, masks, strict=True))
        if damaged[:6] + damaged[-1:] == FRAME[:6] + FRAME[-1:]:
            try:
                decode_frame(damaged)
            except MBusDecodeError:
                continue
            accepted += 1
    assert tail(accepted, tries * unseen(FRAME, rate, parity=parity)) > 1e-3


def test_parity_makes_the_expectation_a_thousandth_or_less() -> None:
    for frame in sample_frames(meters("0"), random.Random(1)):
        assert 0 < unseen(frame, RATE, parity=True) < 1e-3 * unseen(frame, RATE, parity=False)


def test_old_values_are_found_where_a_late_answer_counts_as_an_acknowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MasterLink, "_is_of_before", lambda *_: False)
    assert run(4000, 2, ["faults"]).failures


def test_old_values_are_found_where_none_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Freshness, "is_stale", lambda *_: False)
    summary = run(2000, 2, ["faults"])
    assert summary.tallies["faults"].old > 0
    assert not summary.is_good


def test_blocks_are_of_every_kind() -> None:
    assert set(KINDS) == set(Summary(0).tallies)
