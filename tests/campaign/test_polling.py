"""Polling for long, with ways to buses that fail: everything that could be read is kept once, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.polling import Campaign, Summary


def assert_good(summary: Summary) -> None:
    assert not summary.mistakes, summary.text()
    assert summary.reachable > 0.75 * summary.readings
    assert summary.good >= summary.reachable


def test_an_hour_of_a_hundred_connections_brings_each_reading_that_could_be_had_once_and_in_order(
    tmp_path: Path,
) -> None:
    summary = Campaign(100, 20, 1, seed=7, directory=tmp_path).run()
    assert_good(summary)
    assert summary.changes > 100


@pytest.mark.campaign
def test_a_day_of_two_hundred_connections_brings_each_reading_that_could_be_had_once_and_in_order(
    tmp_path: Path,
) -> None:
    summary = Campaign(200, 20, 24, seed=7, directory=tmp_path).run()
    print(summary.text())
    assert_good(summary)
    assert summary.changes > 1000
