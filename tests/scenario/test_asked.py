"""INV-11 and INV-14: what a master sends without being asked, and to whom it talks without a link reset."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.codec.commands import Payload
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure
from mbusbench.protocol.procedures import Procedure, readout, write
from mbusbench.protocol.procedures.readout import Prepare, Readout, Source
from mbusbench.protocol.procedures.write import send_user_data
from mbusbench.scenario.case import Judgement
from mbusbench.scenario.verdict import Verdict
from tests.scenario.cases import judged

_telegrams = readout._telegrams
LOST = "faults: [{name: lost, frame: RSP_UD, exactly: [1, 2, 3], do: drop}]\nsteps: {read: 5}\n"


def _broken(judgement: Judgement, name: str) -> list[Verdict]:
    return [finding.verdict for finding in judgement.findings if finding.invariant == name]


def _twice(address: int, payload: Payload, fcb: MasterFcb) -> Procedure[Failure | None]:
    yield from send_user_data(address, payload, fcb)
    return (yield from send_user_data(address, payload, fcb))


def _reset_before(address: int, payload: Payload, fcb: MasterFcb) -> Procedure[Failure | None]:
    yield from send_user_data(address, (0x50, b""), fcb)
    return (yield from send_user_data(address, payload, fcb))


def _again_without_reset(source: Source, prepare: Prepare, most: int) -> Procedure[Readout]:
    yield from prepare()
    result = yield from _telegrams(source, most)
    return result if result.failure is None else (yield from _telegrams(source, most))


@pytest.mark.parametrize("step", ["{write: 5, data: ['51 0C 13 00 00 00 00']}", "{app-reset: 5, subcode: '50'}"])
def test_command_that_is_done_twice_breaks_inv_11(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    assert not _broken(judged(tmp_path, f"steps: {step}"), "INV-11")
    monkeypatch.setattr(write, "send_user_data", _twice)
    assert _broken(judged(tmp_path, f"steps: {step}"), "INV-11") == [Verdict.FAIL]


def test_command_that_was_asked_for_twice_is_sent_twice(tmp_path: Path) -> None:
    text = "steps: {write: 5, data: ['50 10', '50 10'], repeat: 2}"
    assert not _broken(judged(tmp_path, text), "INV-11")


def test_command_whose_acknowledge_was_lost_is_repeated(tmp_path: Path) -> None:
    text = "faults: [{name: lost, frame: SND_UD, exactly: 1, do: drop}]\nsteps: {write: 5, data: ['50 10']}"
    assert not _broken(judged(tmp_path, text), "INV-11")


def test_command_that_nobody_asked_for_breaks_inv_11(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "send_user_data", _reset_before)
    text = "steps: {write: 5, data: ['51 0C 13 00 00 00 00']}"
    assert _broken(judged(tmp_path, text), "INV-11") == [Verdict.FAIL]


def test_request_after_three_failures_without_a_link_reset_breaks_inv_14(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not _broken(judged(tmp_path, LOST), "INV-14")
    monkeypatch.setattr(readout, "_with_restart", _again_without_reset)
    assert _broken(judged(tmp_path, LOST), "INV-14") == [Verdict.NON_STRICT]


def test_request_after_two_failures_may_go_on(tmp_path: Path) -> None:
    assert not _broken(judged(tmp_path, LOST.replace("[1, 2, 3]", "[1, 2]")), "INV-14")
