from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.scenario.file.matrix import Variant
from mbusbench.scenario.run.selection import catalogue, chosen, read_cases, sanity_at_the_ends, scenario_files
from tests.scenario.suites import CASES, scenario, suite


@pytest.fixture
def cases(tmp_path: Path) -> list[Variant]:
    return read_cases([suite(tmp_path)])


def names(variants: list[Variant]) -> list[str]:
    return [each.name for each in variants]


def test_directory_gives_its_scenarios_and_not_what_they_include(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01", "TST-02")
    (place / "common.yaml").write_text("buses: {NOBODY: {meters: []}}\n", encoding="utf-8")
    (place / "bus.yaml").write_text("format: 1\nmeters: []\n", encoding="utf-8")
    (place / "below").mkdir()
    (place / "below" / "TST-09.yml").write_text(scenario("TST-09", CASES["TST-01"]), encoding="utf-8")
    assert [path.name for path in scenario_files([place])] == ["TST-01.yaml", "TST-02.yaml", "TST-09.yml"]


def test_file_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01", "TST-02")
    assert [path.name for path in scenario_files([place / "TST-02.yaml", place])] == ["TST-02.yaml", "TST-01.yaml"]


def test_scenario_without_its_version_is_a_mistake_and_not_overlooked(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01")
    (place / "TST-02.yaml").write_text("id: TST-02\nsteps: {read: 5}\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"TST-02\.yaml.*'scenario' is missing"):
        read_cases([place])


def test_mistakes_of_all_files_are_told(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01")
    for name in ("TST-07", "TST-08"):
        (place / f"{name}.yaml").write_text(scenario(name, "title: x\nsteps: {reed: 5}\n"), encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        read_cases([place])
    assert [line.rpartition("/")[2][:11] for line in str(caught.value).splitlines()] == ["TST-07.yaml", "TST-08.yaml"]


def test_two_files_with_one_case_are_a_mistake(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01")
    (place / "again.yaml").write_text(scenario("TST-01", CASES["TST-01"]), encoding="utf-8")
    with pytest.raises(DefinitionError, match="TST-01 is in "):
        read_cases([place])


def test_two_variants_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    text = "title: x\nparameters: {said: [{is: value}, {is: ok}]}\nsteps: {read: 5}\n"
    path = tmp_path / "case.yaml"
    path.write_text(scenario("TST-01", f"{text}expect: {{report: '{{said}}'}}\n"), encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"case\.yaml: two variants are called TST-01\[said=\.\.\.\]"):
        read_cases([path])


@pytest.mark.parametrize("path", ["missing.yaml", "empty"])
def test_path_without_scenarios_is_a_mistake(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DefinitionError, match=path):
        scenario_files([tmp_path / path])


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("TST-04", ["TST-04a", "TST-04b"]),
        ("TST-04b", ["TST-04b"]),
        ("tst-04B", ["TST-04b"]),
        ("fails", ["TST-02"]),
        ("TST-01 or TST-02", ["TST-01", "TST-02"]),
        ("not TST-04 and not fails", ["TST-01", "TST-03", "TST-05"]),
        ("TST and not (fails or better)", ["TST-01", "TST-04a", "TST-04b", "TST-05"]),
        ("TST-0?a", ["TST-04a"]),
        ("*b", ["TST-04b"]),
        ('"be better"', ["TST-03"]),
        ("nothing", []),
    ],
)
def test_expression_means_cases(cases: list[Variant], expression: str, found: list[str]) -> None:
    assert names(chosen(cases, expression)) == found


def test_whole_name_means_this_one_only(tmp_path: Path) -> None:
    text = "title: matrix\nsteps: {read: 5}\nparameters: {baud: [300, 2400]}\nbaud: '{baud}'\nexpect: {report: value}\n"
    path = tmp_path / "case.yaml"
    path.write_text(scenario("TST-01", text), encoding="utf-8")
    variants = read_cases([path])
    assert names(variants) == ["TST-01[baud=300]", "TST-01[baud=2400]"]
    assert names(chosen(variants, "TST-01[baud=300]")) == ["TST-01[baud=300]"]
    assert names(chosen(variants, "TST-01")) == names(variants)


@pytest.mark.parametrize("expression", ["TST and", "or TST", "(TST", "TST)", "not", '"TST', "TST and or fails", ""])
def test_expression_that_is_none_is_an_error_in_one_line(cases: list[Variant], expression: str) -> None:
    with pytest.raises(MBusUsageError) as caught:
        chosen(cases, expression)
    assert "\n" not in str(caught.value)


def test_sanity_is_first_and_last() -> None:
    found = [each.id for each in sanity_at_the_ends(read_cases([catalogue()]))]
    assert found[0] == "SAN-01"
    assert "SAN-02" not in found[:-1]
