from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.errors import DefinitionError
from mbusbench.scenario.file.matrix import read_scenario
from mbusbench.scenario.verdict import Column, Verdict, worst
from tests.scenario.cases import judged, written


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("steps: {raed: 5}\n", "case.yaml:6:8 steps[0]: no action is in it, did you mean 'read'?"),
        ("steps: {read: 5}\nexpct: {report: value}\n", "unknown key 'expct', did you mean 'expect'?"),
        ("steps: {read: 5}\nexpect: {wire: [REQ_UD3 5]}\n", "'REQ_UD3' is no frame"),
        ("steps: {read: 5}\nexpect: {wire: [REQ_UD2 5 fbc=1]}\n", "'fbc=1' is none of fcb=1"),
        ("steps: {read: 5}\nexpect: {report: valeu}\n", "did you mean 'value'?"),
        (
            "steps: {read: 5}\nexpect: {timing: {from: REQ_UD2 5, least: 33 bit times}}\n",
            "is not a time such as 33bits",
        ),
        ("steps: [{read: 5}, {arm: nobody}]\n", "no fault is called 'nobody'"),
        ("steps: {read: 5}\nexpect: {report: {later: value}}\n", "no step is called 'later'"),
        ("steps: {read: 5, to: 9}\n", "does not go together with read"),
        ("steps: {set-address: 5}\n", "'to' is missing"),
        ("steps: {wait: 1s}\n", "no step asks the master for anything"),
        ("steps: {read: 5}\nwithout: INV-21\n", "'INV-21' is no invariant"),
        ("steps: {read: 5}\nfaults: [{name: f, do: dorp}]\n", "case.yaml:7:24 faults[0].do: there is no fault 'dorp'"),
        ("steps: {read: 5}\nparameters: {baud: []}\n", "0 combinations"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, mistake: str) -> None:
    with pytest.raises(DefinitionError) as error:
        written(tmp_path, text)
    lines = str(error.value).splitlines()
    assert len(lines) == 1
    assert mistake in lines[0]
    assert lines[0].startswith(f"{tmp_path}/case.yaml:")


def test_a_bus_that_nobody_knows_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    written(tmp_path, "steps: {read: 5}\n")
    path.write_text(path.read_text(encoding="utf-8").replace("bus: ONE", "bus: TOW"), encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"case.yaml:5:6 bus: no bus is called 'TOW', did you mean 'TWO'\?$"):
        read_scenario(path)


def test_letters_and_parameters_multiply(tmp_path: Path) -> None:
    text = """\
steps: {read: 5}
baud: "{baud}"
parameters: {baud: [300, 2400], fault: [{name: a, do: drop}, {name: b, do: checksum}]}
faults: ["{fault}"]
variants:
  a: {}
  b: {parameters: {fault: [{name: c, do: drop}], baud: 9600}}
"""
    variants = written(tmp_path, text)
    assert [each.name for each in variants] == [
        "TST-01a[baud=300,fault=a]",
        "TST-01a[baud=300,fault=b]",
        "TST-01a[baud=2400,fault=a]",
        "TST-01a[baud=2400,fault=b]",
        "TST-01b[fault=c,baud=9600]",
    ]
    assert [each.bus.definition.line.baud for each in variants] == [300, 300, 2400, 2400, 9600]


def test_a_fault_that_never_fires_is_an_error_of_the_case(tmp_path: Path) -> None:
    text = "steps: {read: 5}\nfaults: [{name: never, on: 6, do: drop}]\n"
    judgement = judged(tmp_path, text)
    assert judgement.verdict is Verdict.ERROR
    assert judgement.reason.startswith("never")
    assert judged(tmp_path, text + "assert_all_fired: false\n").verdict is Verdict.PASS


def test_what_is_expected_and_not_seen_is_told_with_both(tmp_path: Path) -> None:
    judgement = judged(tmp_path, "steps: {read: 5}\nexpect: {wire: [SND_NKE 5, REQ_UD2 5 x2], report: no-answer}\n")
    texts = [finding.text for finding in judgement.findings]
    assert judgement.verdict is Verdict.FAIL
    assert texts[0] == "expected REQ_UD2 5 x2 after 2 frames, saw no more"
    assert texts[1].startswith("expected no-answer, saw ok ")


def test_a_lower_level_makes_it_non_strict_and_never_a_fail_all_the_same(tmp_path: Path) -> None:
    text = "level: SHOULD\nsteps: {read: 5}\nexpect: {wire: [SND_NKE 5]}\n"
    assert judged(tmp_path, text).verdict is Verdict.NON_STRICT
    assert judged(tmp_path, text + "never: {wire: REQ_UD2 5}\n").verdict is Verdict.FAIL
    assert judged(tmp_path, text + "never: {report: value}\n").verdict is Verdict.FAIL


def test_what_is_tolerated_is_non_strict(tmp_path: Path) -> None:
    text = "steps: {read: 5}\nexpect: {report: garbled}\ntolerate: {report: value}\n"
    assert judged(tmp_path, text).verdict is Verdict.NON_STRICT


def test_records_may_be_what_the_meter_sent_and_say_where(tmp_path: Path) -> None:
    right = "steps: {read: 5}\nexpect: {report: {is: value, records: [{sent: true, storage: 0, telegram: 0}]}}"
    assert judged(tmp_path, right).verdict is Verdict.PASS
    wrong = judged(tmp_path, right.replace("storage: 0", "storage: 1"))
    assert "expected storage 1, saw 0" in wrong.findings[0].text
    more = judged(tmp_path, right.replace("}]}}", "}, {sent: true}]}}"))
    assert more.verdict is Verdict.FAIL


def test_frames_are_counted_by_their_content(tmp_path: Path) -> None:
    text = "steps: {ping: [5, 6]}\nexpect: {wire: {frames: SND_NKE *, count: %s, each: true}, report: [ok, no-answer]}"
    assert judged(tmp_path, text % "1-3").verdict is Verdict.PASS
    few = judged(tmp_path, text % "1-2")
    assert few.findings[0].text == "expected 1 to 2 of SND_NKE *, saw 3"


def test_steps_of_the_bench_change_the_bus(tmp_path: Path) -> None:
    text = """\
faults: [{name: later, frame: RSP_UD, do: drop}]
steps:
  - {read: 5, name: before}
  - {arm: later}
  - {read: 5, name: dead}
  - {clear: later}
  - {power_cycle: 5}
  - {wait: 2s}
  - {change: 5, values: {volume: 4711}}
  - {read: 5, name: after}
expect: {report: {before: value, dead: no-answer, after: value}}
"""
    judgement = judged(tmp_path, text)
    assert judgement.verdict is Verdict.PASS, (judgement.reason, *map(str, judgement.findings))
    assert judgement.observation is not None
    report = judgement.observation.steps[-1].result.report
    assert report is not None
    assert 4.711 <= report.meters[0].records[0].value <= 4.9  # type: ignore[operator]


def test_a_meter_that_is_taken_off_is_silent_until_it_is_back(tmp_path: Path) -> None:
    steps = "steps: [{read: 5}, {remove: 5}, {read: 5}, {restore: 5}, {read: 5}]\n"
    expected = "expect: {report: [value, no-answer, value]}\n"
    assert judged(tmp_path, steps + expected).verdict is Verdict.PASS


def test_an_action_that_the_master_does_not_know_is_unsupported(tmp_path: Path) -> None:
    from mbusbench.scenario.driver.builtin import BuiltinMaster
    from mbusbench.scenario.driver.claims import NO_CLAIMS, Claims
    from mbusbench.scenario.observation import StepResult

    class Ignorant(BuiltinMaster):
        async def perform(self, action, access):  # type: ignore[no-untyped-def]
            now = access.now()
            return StepResult(action.step, action.name, None, "unsupported", now, now, 127)

    master = Ignorant()
    master.claims = NO_CLAIMS
    assert judged(tmp_path, "steps: {read: 5}\n", master).verdict is Verdict.UNSUPPORTED
    master.claims = Claims(actions=("read",))
    assert judged(tmp_path, "steps: {read: 5}\n", master).verdict is Verdict.FAIL
    master.claims = Claims(actions=("ping",))
    assert judged(tmp_path, "steps: {read: 5}\n", master).verdict is Verdict.NOT_APPLICABLE


def test_the_worst_column_is_the_verdict() -> None:
    assert worst([Verdict.PASS, Verdict.NON_STRICT, None]) is Verdict.NON_STRICT
    assert worst([Verdict.INCONCLUSIVE, Verdict.FAIL]) is Verdict.FAIL
    assert worst([Verdict.UNSUPPORTED, Verdict.PASS]) is Verdict.PASS
    assert worst([None]) is None


def test_a_place_may_be_a_key_of_a_mapping(tmp_path: Path) -> None:
    text = """\
steps: {read: 5}
baud: "{line.baud}"
parameters: {line: [{name: slow, baud: 300, delay: 40ms}, {name: fast, baud: 9600, delay: 2ms}]}
faults: [{name: later, do: {delay: "{line.delay}"}}]
"""
    variants = written(tmp_path, text)
    assert [each.name for each in variants] == ["TST-01[line=slow]", "TST-01[line=fast]"]
    assert [each.bus.definition.line.baud for each in variants] == [300, 9600]


def test_pauses_within_frames_are_looked_at(tmp_path: Path) -> None:
    judgement = judged(tmp_path, "steps: {read: 5}\nexpect: {timing: {within: REQ_UD2 5, least: 1ms}}\n")
    assert judgement.columns[Column.TIMING] is Verdict.FAIL
    assert judgement.findings[0].text.startswith("pause within REQ_UD2 5: expected at least 1ms, saw 0.000 ms")


@pytest.mark.parametrize(
    ("step", "deadline"),
    [
        ("{read: 5}", 60),
        ("{read: 5, repeat: 3}", 120),
        ("{read: [5, 6], repeat: 2}", 150),
        ("{scan: 0-5}", 60),
        ("{search: }", 60),
        ("{read: 5, repeat: 3, deadline: 7s}", 7),
    ],
)
def test_deadline_grows_with_what_is_asked_for(tmp_path: Path, step: str, deadline: float) -> None:
    (variant,) = written(tmp_path, f"steps: {step}\nexpect: {{report: value}}\n")
    assert variant.definition.steps[0].as_action(0).deadline == deadline
