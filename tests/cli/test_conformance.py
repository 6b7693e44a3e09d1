"""`run`, `conform` and `report` from the command line: what is printed, written and returned."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mbusbench.scenario.output.results import load
from mbusbench.scenario.run.selection import catalogue
from mbusbench.scenario.verdict import Verdict
from mbusbench.trace.files import load as load_trace
from tests.cli.invoking import invoke
from tests.cli.running import COMMAND, environment, run
from tests.scenario.suites import driver, scenario, suite


def test_whole_catalogue_passes_in_virtual_time_and_every_form_says_so(tmp_path: Path) -> None:
    names = {"--json": "r.json", "--junit": "r.xml", "--html": "r.html", "--markdown": "r.md"}
    files = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    done = run("conform", "--seed", "7", *files, "--artifacts", str(tmp_path / "art"), limit=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    results = load(tmp_path / "r.json")
    (master,) = results.masters
    ids = sorted({path.stem for path in catalogue().glob("*.yaml")} - {"common"})
    assert sorted(case.id for case in master.cases) == ids
    assert {case.verdict for case in master.cases} == {Verdict.PASS}
    assert f"mbusbench: {len(ids)} cases: {len(ids)} pass, 0 non-strict, 0 fail," in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[1 : 1 + len(ids)]] == [c.id for c in master.cases]
    assert ElementTree.parse(tmp_path / "r.xml").getroot().get("tests") == str(len(ids))
    assert (tmp_path / "r.html").read_text().count("<details id=") == len(ids)
    assert (tmp_path / "r.md").read_text().count(" pass |") == len(ids) + 1
    variants = [each for case in master.cases for each in case.variants]
    for variant in variants:
        assert variant.trace is not None
        trace = load_trace(tmp_path / "art" / "mbusbench-virtual" / variant.trace)
        assert (trace.header.bus, trace.header.seed, bool(trace.events)) == (variant.name, 7, bool(variant.wire))
    manifest = json.loads((tmp_path / "art" / "manifest.json").read_text())
    assert (manifest["seed"], manifest["transports"], manifest["lag"]) == (7, ["virtual"], None)
    assert len(manifest["files"]) == len(ids)
    assert manifest["masters"][0]["counts"]["pass"] == len(ids)


def test_same_seed_gives_the_same_traces(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01", "TST-04")
    for name, seed in (("first", "3"), ("second", "3"), ("third", "4")):
        invoke("run", str(place), "--seed", seed, "--artifacts", str(tmp_path / name))
    first, second, third = (
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.jsonl"))]
        for name in ("first", "second", "third")
    )
    assert len(first) == 3
    assert first == second
    assert first != third


def test_failure_is_told_with_its_log_and_the_command_that_repeats_it(tmp_path: Path) -> None:
    place = suite(tmp_path, "TST-01", "TST-04")
    done = invoke("run", str(place), "--seed", "5", "--without", "INV-14")
    assert done.code == 1
    lines = done.stdout.splitlines()
    assert lines[0:2] == ["mbusbench, seed 5", "switched off: INV-14"]
    assert lines[2].split() == ["TST-01", "passes", "W", "pass", "R", "pass", "T", "pass"]
    assert "[b] expected no-answer, saw ok" in lines[3]
    assert any("> REQ_UD2 fcb=1, address 5" in line for line in lines)
    command = next(line.strip() for line in lines if line.strip().startswith("mbusbench run"))
    assert command == f"mbusbench run {place / 'TST-04.yaml'} -k TST-04b --seed 5 --without INV-14"
    again = invoke(*shlex.split(command)[1:])
    assert again.code == 1
    assert "1 cases: 0 pass, 0 non-strict, 1 fail" in again.stdout
    assert "R fail: expected no-answer" in again.stdout


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["TST-01", "TST-03"], [], 0),
        (["TST-01", "TST-03"], ["--strict"], 1),
        (["TST-01", "TST-02"], [], 1),
        (["TST-01", "TST-02"], ["-k", "TST-01"], 0),
        (["TST-02", "TST-05"], [], 4),
        (["TST-01"], ["-k", "nothing"], 2),
    ],
)
def test_exit_codes(tmp_path: Path, names: list[str], options: list[str], code: int) -> None:
    assert invoke("run", str(suite(tmp_path, *names)), *options).code == code


def test_exit_code_3_is_for_masters_that_cannot_be_judged(tmp_path: Path) -> None:
    silent = driver(tmp_path, "print('hello')\n")
    done = invoke("run", str(suite(tmp_path, "TST-01")), "--master", str(silent))
    assert done.code == 3
    assert "stranger has to leave with 127" in done.stdout
    refuses = driver(tmp_path, "raise SystemExit(127)\n", "refuses")
    done = invoke("conform", "--master", str(refuses), "-k", "LL-FCB-01")
    assert done.code == 3
    assert "SAN-01 (clean read of one meter" in done.stdout
    assert "LL-FCB-01" not in done.stdout


def test_written_baseline_makes_the_next_run_pass(tmp_path: Path) -> None:
    place, path = suite(tmp_path, "TST-01", "TST-02", "TST-04"), tmp_path / "baseline.yaml"
    done = invoke("run", str(place), "--write-baseline", str(path))
    assert (done.code, done.stderr) == (1, f"mbusbench: {path} has 2 known failures\n")
    done = invoke("run", str(place), "--baseline", str(path))
    assert done.code == 0
    assert "1 pass, 0 non-strict, 2 fail" in done.stdout
    assert "; 2 xfail, 0 xpass" in done.stdout
    (place / "TST-02.yaml").write_text(
        scenario("TST-02", "title: mended\nsteps: {read: 5}\nexpect: {report: value}\n"), encoding="utf-8"
    )
    done = invoke("run", str(place), "--baseline", str(path))
    assert done.code == 1
    assert "xpass: listed, and passed in W: TST-02" in done.stdout


def test_several_masters_are_columns_of_one_matrix(tmp_path: Path) -> None:
    place = str(suite(tmp_path, "TST-01"))
    refuses = str(driver(tmp_path, "raise SystemExit(127)\n", "refuses"))
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    assert invoke("run", place, "--json", str(one)).code == 0
    assert invoke("run", place, "--master", refuses, "--transport", "tcp", "--json", str(two)).code == 1
    page, table = tmp_path / "both.html", tmp_path / "both.md"
    done = invoke("report", str(one), str(two), "--html", str(page), "--markdown", str(table))
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    assert "| TST-01 | passes | pass | unsupported |" in table.read_text()
    assert "refuses (tcp)" in page.read_text()
    both = invoke("run", place, "--master", "builtin", "--master", refuses, "--markdown", str(table))
    assert both.code == 1
    assert "| TST-01 | passes | pass | unsupported |" in table.read_text()
    told = invoke("report", str(two)).stdout
    assert "unsupported: TST-01" in told


def test_annotations_are_printed_for_github(tmp_path: Path) -> None:
    done = invoke("run", str(suite(tmp_path, "TST-02")), "--github")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert "title=TST-02 fail (mbusbench)::fails: expected REQ_UD2 5 fcb=0" in line


MISTAKES = {
    "no path": (("run",), "Missing argument 'PATH...'"),
    "no such path": (("run", "nowhere"), "nowhere: there is no such file or directory"),
    "no scenarios": (("run", "empty"), "empty: there is no scenario in this directory"),
    "broken scenario": (("run", "broken.yaml"), "broken.yaml:7:9 steps[0]: no action is in it, did you mean 'read'?"),
    "no scenario": (("run", "text.yaml"), "text.yaml"),
    "no such driver": (("run", "suite", "--master", "bultin"), "there is no driver 'bultin'"),
    "no such driver file": (("run", "suite", "--master", "gone.yaml"), "gone.yaml"),
    "broken driver": (("run", "suite", "--master", "broken.yaml"), "broken.yaml"),
    "no such transport": (("run", "suite", "--transport", "usb"), "'usb' is not one of"),
    "no such invariant": (("run", "suite", "--without", "INV-21"), "INV-21 is no invariant"),
    "no case": (("run", "suite", "-k", "XYZ"), "-k 'XYZ' means none of the 6 cases"),
    "no expression": (("run", "suite", "-k", "(TST"), "-k '(TST' is no expression"),
    "no jobs": (("run", "suite", "--jobs", "0"), "0 is not in the range"),
    "negative seed": (("run", "suite", "--seed", "-1"), "-1 is not in the range"),
    "no baseline": (("run", "suite", "--baseline", "gone.yaml"), "gone.yaml"),
    "stale baseline": (
        ("run", "suite", "--baseline", "stale.yaml"),
        "stale.yaml:2:16 xfail[0].case: no case is called",
    ),
    "no directory for results": (("run", "suite", "--json", "gone/x.json"), "there is no directory gone"),
    "two masters, one baseline": (
        ("run", "suite", "--master", "builtin", "--master", "mbusbench-driver", "--write-baseline", "b.yaml"),
        "--write-baseline goes together with one master",
    ),
    "no results": (("report", "text.yaml"), "text.yaml: this is no JSON"),
    "no result file": (("report", "gone.json"), "gone.json: No such file or directory"),
    "conform with a path": (("conform", "suite"), "unexpected extra argument"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line_and_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    suite(tmp_path)
    Path("empty").mkdir()
    Path("text.yaml").write_text("just text\n", encoding="utf-8")
    Path("broken.yaml").write_text(scenario("TST-01", "title: x\n\nsteps: [{reed: 5}]\n"), encoding="utf-8")
    Path("stale.yaml").write_text("baseline: 1\nxfail: [{case: TST-99, reason: r}]\n", encoding="utf-8")
    arguments, said = MISTAKES[name]
    done = invoke(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_gives_what_there_is_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    place = suite(tmp_path, "TST-01", "TST-04")
    note = tmp_path / "pids"
    script = (
        "import json, os, sys, time\nif os.environ['MBUS_ACTION'] != 'read': sys.exit(127)\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)\n"
    )
    master = driver(tmp_path, script)
    command = [*COMMAND, "run", str(place), "--master", str(master), "--jobs", "2", "--json", str(tmp_path / "r.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        limit = time.monotonic() + 60
        while not (note.exists() and len(note.read_text().splitlines()) == 2) and time.monotonic() < limit:
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b""
    assert b"interrupted: what had not run is not in here" in out
    assert load(tmp_path / "r.json").interrupted
    for pid in note.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
