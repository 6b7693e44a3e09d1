"""Tools behind templates: how often they are called, with what, and what becomes of their ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mbusbench.scenario.driver.action import Action, BusAccess
from mbusbench.scenario.driver.template import fill, wire_order
from tests.scenario.drivers import NOWHERE, tool_of

ECHO = "import json, sys; print(json.dumps({'words': sys.argv[1:]}))"
BY_WORDS: dict[str, Any] = {
    "format": "json",
    "lines": True,
    "records": "/words",
    "record": {"value": ""},
}


def read(*words: str, **result: Any) -> dict[str, Any]:
    return {"read": {"any": ["{python}", "tool.py", *words], "result": {**BY_WORDS, **result}}}


async def test_tool_without_lists_is_called_for_each_target_and_turn(tmp_path: Path) -> None:
    tool = tool_of(tmp_path, ECHO, read("{host}", "{port}", "{target}"))
    result = await tool.perform(Action("read", addresses=(5, 6), repeat=2), NOWHERE)
    assert result.outcome == "done"
    assert result.report is not None
    assert [meter.address for meter in result.report.meters] == [5, 6, 5, 6]
    assert [[each.value for each in meter.records] for meter in result.report.meters][1] == ["127.0.0.1", "9", "6"]
    assert result.output.count("$ ") == 4


async def test_tool_with_lists_and_turns_is_called_once(tmp_path: Path) -> None:
    script = "import sys\nfor target in sys.argv[2:] * int(sys.argv[1]): print('{\"words\": [%s]}' % target)"
    tool = tool_of(tmp_path, script, read("{repeat}", "{targets}"))
    result = await tool.perform(Action("read", addresses=(5, 6), repeat=2), NOWHERE)
    assert result.report is not None
    assert [(meter.address, meter.records[0].value) for meter in result.report.meters] == [(5, 5), (6, 6)] * 2


@pytest.mark.parametrize(
    ("words", "action", "expected"),
    [
        (("-t", "{timeout_ms}", "{target}"), Action("read", addresses=(5,)), ["x", "5"]),
        (("-t", "{timeout_ms}", "{target}"), Action("read", addresses=(5,), timeout=0.15), ["x", "-t", "150", "5"]),
        (("{low}", "{high}"), Action("scan", range="1-20"), ["x", "1", "20"]),
        (("{low}-{high}",), Action("scan"), ["x", "0-250"]),
        (("{target}", "{data}"), Action("write", addresses=(5,), data=("50", "5010")), ["x", "5", "50", "5010"]),
        (("{new_address}",), Action("set-address", addresses=(5,), new_address=256), ["x", "256"]),
        (
            ("{id}", "{secondary_wire}"),
            Action("read", secondary=("1234567824232807",)),
            ["x", "12345678", "7856341224232807"],
        ),
        (("{url}", "-b", "{baud}"), Action("scan"), ["x", "socket://127.0.0.1:9", "-b", "2400"]),
    ],
)
def test_placeholders_are_filled_and_options_of_nothing_left_out(
    words: tuple[str, ...], action: Action, expected: list[str]
) -> None:
    target = action.targets[0] if action.targets else None
    assert fill(("x", *words), action, NOWHERE, target) == expected


def test_wire_order_turns_the_identification_number() -> None:
    assert wire_order("1234567824232807") == "7856341224232807"


async def test_action_without_a_template_or_transport_is_unsupported(tmp_path: Path) -> None:
    tool = tool_of(tmp_path, ECHO, {"read": {"tty": ["x"], "result": {"format": "exit"}}})
    for action, access in ((Action("ping"), NOWHERE), (Action("read", addresses=(5,)), NOWHERE)):
        result = await tool.perform(action, access)
        assert (result.outcome, result.exit_status) == ("unsupported", 127)
    assert tool.claims.actions == ("read",)
    assert (await tool.perform(Action("read", addresses=(5,)), BusAccess("/dev/null", "tty"))).outcome == "crash"


async def test_meter_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    script = "import sys\nprint('{\"words\": []}') if sys.argv[1] == '6' else sys.exit('no reply')"
    tool = tool_of(tmp_path, script, read("{target}", errors=[{"stderr": "no reply", "error": "no-answer"}]))
    result = await tool.perform(Action("read", addresses=(5, 6)), NOWHERE)
    assert result.report is not None
    assert (result.report.ok, result.report.error) == (False, "no-answer")
    assert [(meter.address, meter.error) for meter in result.report.meters] == [(5, "no-answer"), (6, None)]


@pytest.mark.parametrize(
    ("script", "outcome"),
    [("import os; os.kill(os.getpid(), 6)", "crash"), ("import signal; signal.pause()", "hang")],
)
async def test_tool_that_crashes_or_hangs_does_so_for_the_whole_action(
    tmp_path: Path, script: str, outcome: str
) -> None:
    tool = tool_of(tmp_path, script, read("{target}"))
    result = await tool.perform(Action("read", addresses=(5, 6), deadline=0.8), NOWHERE)
    assert result.outcome == outcome
    assert result.problem


async def test_scan_that_fails_is_no_scan_that_found_nothing(tmp_path: Path) -> None:
    scan = {"format": "regex", "meter": r"at (?P<address>\d+)", "errors": [{"exit": 3, "error": "disconnected"}]}
    actions = {"scan": {"any": ["{python}", "tool.py"], "result": scan}}
    failed = (await tool_of(tmp_path, "raise SystemExit(3)", actions).perform(Action("scan"), NOWHERE)).report
    empty = (await tool_of(tmp_path, "print()", actions).perform(Action("scan"), NOWHERE)).report
    assert failed is not None
    assert (failed.ok, failed.error, failed.meters) == (False, "disconnected", ())
    assert empty is not None
    assert (empty.ok, empty.meters) == (True, ())
