"""INV-20: what readouts cost on the line."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.cases import judged


def test_clean_readout_costs_the_least_and_the_waits_of_the_meter(tmp_path: Path) -> None:
    # SND_NKE and E5, REQ_UD2 and 27 characters: 38 of 11 bit times at 2400 Bd, and 2 x 11 bit times, or 2 x 25 ms.
    load = judged(tmp_path, "steps: {read: 5}").load
    assert load == "1 readout: 38 characters, at least 38; 224 ms, at least 183 ms"


def test_repeats_are_more_than_the_least(tmp_path: Path) -> None:
    text = "faults: [{name: lost, frame: RSP_UD, exactly: 1, do: drop}]\nsteps: {read: 5}"
    load = judged(tmp_path, text).load
    assert load is not None
    assert load.startswith("1 readout: 43 characters, at least 38;")


def test_readouts_of_one_process_need_one_link_reset(tmp_path: Path) -> None:
    load = judged(tmp_path, "steps: {read: 5, repeat: 2, interval: 1s}").load
    assert load is not None
    assert load.startswith("2 readouts: 76 characters, at least 70;")


def test_pings_are_no_readout(tmp_path: Path) -> None:
    assert judged(tmp_path, "steps: {ping: 5}").load is None
