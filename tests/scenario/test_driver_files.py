"""Driver files: those that are shipped, and one clear line for each mistake in others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbusbench.errors import DefinitionError
from mbusbench.scenario.driver.action import ACTIONS, Action
from mbusbench.scenario.driver.claims import Claims
from mbusbench.scenario.driver.definition import PLACEHOLDERS, ResultTemplate, names, read_driver_file
from mbusbench.scenario.driver.opening import master_names, open_master
from mbusbench.scenario.driver.process import resolved
from mbusbench.scenario.report import ErrorKind, contradictions, parse_output

RESULT = "result: {format: exit}"
JSON = "driver: 1\nname: x\nactions: {read: {tcp: [a], result: {format: json, "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("driver: 2\nname: x\ncommand: [a]", ":1:9 driver: 2 is not 1, the only version that there is"),
        ("driver: 1\nname: x", ":1:1: command or actions is missing: how is the master called?"),
        ("driver: 1\nname: x\ncommand: []", ":3:10 command: a command begins with the name of a program"),
        ("driver: 1\nname: x\ncommand: python", "command: 'python' is not a list"),
        ("driver: 1\nname: x\ncomand: [a]\ncommand: [a]", ":3:1: unknown key 'comand', did you mean 'command'?"),
        ("driver: 1\nname: x\ncommand: [a, '{host}']", "{host} is for actions: a command gets it in its environment"),
        ("driver: 1\nname: x\ncommand: [a, '{hots}']", "there is no placeholder {hots}, did you mean 'host'?"),
        (f"driver: 1\nname: x\ncommand: [a]\nactions: {{read: {{tcp: [a], {RESULT}}}}}", "exclude each other"),
        (f"driver: 1\nname: x\nactions: {{raed: {{tcp: [a], {RESULT}}}}}", "raed"),
        (f"driver: 1\nname: x\nactions: {{read: {{{RESULT}}}}}", "a command is missing: tcp, tty, rfc2217 or any"),
        (
            f"driver: 1\nname: x\nactions: {{read: {{tcp: [a, 'x{{targets}}'], {RESULT}}}}}",
            "has to be a word of its own",
        ),
        ("driver: 1\nname: x\ncommand: [a]\nclaims: {transports: [usb]}", "claims.transports[0]: 'usb' is not"),
        ("driver: 1\nname: x\ncommand: [a]\nclaims: {actions: [reed]}", "claims.actions[0]: 'reed' is not"),
        ("driver: 1\nname: x\ncommand: [a]\nclaims: {retries: -1}", "claims.retries: -1 is less than 0"),
        ("driver: 1\nname: x\ncommand: [a]\nenv: {A=B: c}", "'A=B' is no name of a variable"),
        (JSON + "records: records, record: {value: /v}}}}", "'records' is no JSON pointer: begin it with /"),
        (JSON + "records: /r}}}", "records and record belong together"),
        (JSON + "errors: [{error: timeout, exit: 1}]}}}", "'timeout' is not one of no-answer"),
        (JSON + "errors: [{error: usage}]}}}", "a rule needs stdout, stderr, text or exit"),
        (JSON + "errors: [{error: usage, stderr: '('}]}}}", "'(' is no regular expression"),
        (JSON + "units: [{match: x}]}}}", "unit is missing, and match has no group"),
        (JSON + "units: [{match: x, unit: l, factor: many}]}}}", "'many' is no number"),
        (JSON + "skip: {colour: x}}}}", "there is no field 'colour'"),
        (JSON + "functions: {x: big}}}}", "'big' is not one of instantaneous"),
        ("driver: 1\nname: x\nactions: {read: {tcp: [a], result: {format: xml, address: './/['}}}", "is no XPath"),
        ("driver: 1\nname: x\nactions: {read: {tcp: [a], result: {format: regex}}}", "needs meter or record_pattern"),
        ("driver: 1\nname: x\nactions: {read: {tcp: [a], result: {format: yaml}}}", "'yaml' is not json, xml"),
        ("driver: 1\nname: x\nactions: {read: {tcp: [a], result: {format: exit, address: /a}}}", "not for exit"),
    ],
)
def test_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "driver.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as error:
        read_driver_file(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}:")
    assert message in str(error.value)


@pytest.mark.parametrize("name", names())
def test_shipped_driver_is_a_valid_file_with_claims(name: str) -> None:
    master = open_master(name)
    assert master.name
    assert master.claims.actions
    assert "read" in master.claims.actions
    assert master.claims.transports


def test_shipped_drivers_are_those_of_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text("utf-8")
    assert [name for name in master_names() if f"`{name}`" not in text] == []


def test_files_and_the_line_of_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text("utf-8")
    files = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(files) == 2
    for content in files:
        path = tmp_path / "driver.yaml"
        path.write_text(content, encoding="utf-8")
        assert open_master(path).claims.actions
    (line,) = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = parse_output(line)
    assert found.report is not None, found.problem
    assert contradictions(found.report, "read") == []
    words = set(re.findall(r"`([a-z-]+)`", text))
    assert words >= set(ACTIONS) | set(ErrorKind) | set(ResultTemplate.model_fields) - {"more_at", "record_pattern"}
    assert set(re.findall(r"\{([a-z_]+)\}", text)) >= PLACEHOLDERS


def test_driver_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(DefinitionError, match="there is no driver 'libmbsu', did you mean 'libmbus'"):
        open_master("libmbsu")
    with pytest.raises(DefinitionError, match=r"nowhere\.yaml: no such file"):
        open_master("nowhere.yaml")


def test_files_beside_the_driver_file_are_found_and_programs_are_not(tmp_path: Path) -> None:
    for name in ("master.py", "python3", "5"):
        (tmp_path / name).touch()
    found = resolved(["python3", "master.py", "{target}", "other.py", "{directory}/x"], tmp_path)
    assert found == ["python3", str(tmp_path / "master.py"), "{target}", "other.py", f"{tmp_path}/x"]


@pytest.mark.parametrize(
    ("claims", "action", "reason"),
    [
        (Claims(), Action("read", addresses=(5,)), None),
        (Claims(transports=("tty",)), Action("read"), "tcp is not claimed"),
        (Claims(actions=("read",)), Action("ping"), "ping is not claimed"),
        (Claims(repeat=False), Action("read", addresses=(5,), repeat=3), "repeat is claimed not to be possible"),
        (Claims(list=False), Action("read", addresses=(5, 6)), "list is claimed not to be possible"),
        (Claims(list=False), Action("read", addresses=(5,)), None),
        (Claims(keys=False), Action("read", key="00" * 16), "keys is claimed not to be possible"),
        (Claims(secondary=False), Action("read", secondary=("F" * 16,)), "secondary is claimed not to be possible"),
    ],
)
def test_claims_say_what_need_not_be_asked(claims: Claims, action: Action, reason: str | None) -> None:
    assert claims.exclude(action, "tcp") == reason
