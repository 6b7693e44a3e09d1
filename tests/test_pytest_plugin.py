"""The pytest plugin, seen from a project that uses it: what passes, what fails, and what the reports say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path

import pytest

from mbusbench import MBusMaster, clock
from mbusbench.testing import sources
from mbusbench.testing.watch import MASTER_RULES

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "mbusbench.pytest_plugin"
INSTALLED = any(each.value == PLUGIN for each in entry_points(group="pytest11"))

BUS = """\
format: 1
meters:
  - {device: generic/water, address: 5}
  - {device: generic/heat, address: 6}
"""

MASTER = '''\
"""A master of a few lines: one connection, frames as they are."""
import socket


class Master:
    def __init__(self, server):
        self.connection = socket.create_connection(server.address, timeout=5)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.connection.close()

    def send(self, control, address):
        self.connection.sendall(bytes([0x10, control, address, (control + address) & 0xFF, 0x16]))

    def ask(self, control, address):
        self.send(control, address)
        data = self.connection.recv(1)
        if data == b"\\xe5":
            return data
        while len(data) < 3 or len(data) < data[1] + 6:
            data += self.connection.recv(300)
        return data
'''


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A directory with a bus file and a master."""
    # pytester takes away again what a run imports: whatever is imported only once has to be here before.
    _ = sources.build(devices=["generic/water"]), MBusMaster, clock
    pytester.makefile(".yaml", bus=BUS)
    pytester.makepyfile(master=MASTER)
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n")
    return pytester


NO_ASYNCIO = ("-p", "no:asyncio")


def run(
    project: pytest.Pytester, *arguments: str, without: tuple[str, ...] = NO_ASYNCIO, process: str = "this"
) -> pytest.RunResult:
    plugin = (*without, *(() if INSTALLED else ("-p", PLUGIN)))
    project._monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{project.path}")
    run_pytest = project.runpytest_inprocess if process == "this" else project.runpytest_subprocess
    return run_pytest(*plugin, "-p", "no:cacheprovider", *arguments)


def text(result: pytest.RunResult) -> str:
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    return result.stdout.str()


def test_synchronous_master_reads_a_served_bus(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from master import Master

        pytestmark = pytest.mark.mbus_bus("bus.yaml")

        def test_reads(mbus_server, mbus_bus):
            assert mbus_server.url == "socket://%s:%d" % mbus_server.address
            assert mbus_server.bus is mbus_bus
            assert mbus_server.address[0] == "127.0.0.1"
            with Master(mbus_server) as master:
                assert master.ask(0x40, 5) == b"\\xe5"
                assert master.ask(0x7B, 5)[5] == 5
            asked, read = mbus_server.exchanges
            assert (asked.address, read.result) == (5, "answered")

        def test_has_a_bus_of_its_own(mbus_server):
            assert mbus_server.events == []

        @pytest.mark.mbus_bus(devices=["generic/gas"], seed=3)
        def test_nearest_marker_wins(mbus_bus):
            assert (len(mbus_bus.meters), mbus_bus.seed) == (1, 3)

        @pytest.mark.mbus_bus(faults=[{"name": "lost", "on": 5, "exactly": 1, "do": "drop"}])
        def test_markers_add_up(mbus_server, mbus_bus):
            assert len(mbus_bus.meters) == 2
            with Master(mbus_server) as master:
                master.send(0x40, 5)
                mbus_server.wait_for("lost")
                mbus_server.arm({"name": "late", "on": 5, "frame": "REQ_UD2", "do": {"delay": "5ms"}})
                assert master.ask(0x40, 5) == b"\\xe5"
                master.ask(0x7B, 5)
            assert mbus_bus.faults["late"].hits == 1
        """
    )
    result = run(project, "-v")
    text(result)
    result.assert_outcomes(passed=4)


def test_rule_that_the_master_does_not_keep_is_an_error_with_the_trace(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from master import Master

        @pytest.mark.mbus_bus("bus.yaml", seed=7)
        def test_toggles(mbus_server):
            with Master(mbus_server) as master:
                for control in (0x40, 0x7B, 0x7B):
                    master.ask(control, 5)

        @pytest.mark.mbus_bus("slow.yaml", speed="real")
        def test_waits(mbus_server):
            with Master(mbus_server) as master:
                master.send(0x40, 5)
                mbus_server.wait_for("lost")
                master.ask(0x40, 5)
        """
    )
    project.makefile(".yaml", slow=f"{BUS}line: {{baud: 300}}\nfaults: [{{name: lost, exactly: 1, do: drop}}]\n")
    result = run(project)
    result.assert_outcomes(passed=2, errors=2)
    shown = text(result)
    assert "ERROR at teardown of test_toggles" in shown
    assert "bus.yaml: 1 unexpected:" in shown
    assert "(SND_NKE, address 5): request-before-timeout: " in shown
    assert "(REQ_UD2 fcb=1, address 5): fcb-not-toggled: REQ_UD2 fcb=1. The FCB changes after an answer" in shown
    assert "M-Bus: bus.yaml, seed 7" in shown
    assert "> REQ_UD2 fcb=1, address 5" in shown
    assert "pytest_plugin.py" not in shown
    run(project, "--mbus-check", "none").assert_outcomes(passed=2)
    run(project, "--mbus-check", "unfired").assert_outcomes(passed=2)
    run(project, "-o", "mbus_check=none").assert_outcomes(passed=2)
    run(project, "-o", "mbus_allow=fcb-*").assert_outcomes(passed=2, errors=1)
    run(project, "-o", "mbus_allow=fcb-* request-before-timeout").assert_outcomes(passed=2)


def test_unfired_fault_and_request_to_nobody_are_errors_that_a_marker_allows(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from master import Master

        LOST = {"name": "lost", "on": 6, "do": "drop"}

        @pytest.mark.mbus_bus("bus.yaml", faults=[LOST])
        def test_unfired(mbus_server):
            with Master(mbus_server) as master:
                master.ask(0x40, 5)

        @pytest.mark.mbus_bus("bus.yaml", faults=[LOST], allow=["lost"])
        def test_unfired_allowed(mbus_bus):
            pass

        @pytest.mark.mbus_bus("bus.yaml", faults=[LOST], check="unexpected")
        def test_unfired_not_looked_at(mbus_bus):
            pass

        def ask_nobody(server):
            with Master(server) as master:
                master.send(0x40, 9)
                master.ask(0x40, 5)

        @pytest.mark.mbus_bus("bus.yaml")
        def test_nobody(mbus_server):
            ask_nobody(mbus_server)

        @pytest.mark.mbus_bus("bus.yaml", allow="nobody-there")
        def test_nobody_allowed(mbus_server):
            ask_nobody(mbus_server)

        @pytest.mark.mbus_bus("bus.yaml", faults=[LOST])
        def test_fails_anyway(mbus_server):
            assert False

        @pytest.mark.mbus_bus("bus.yaml", faults=[LOST])
        def test_is_skipped(mbus_server):
            pytest.skip("not today")

        @pytest.mark.xfail(reason="known", strict=True)
        @pytest.mark.mbus_bus("bus.yaml", faults=[LOST])
        def test_is_known_to_fail(mbus_server):
            assert False
        """
    )
    result = run(project)
    result.assert_outcomes(passed=5, failed=1, errors=2, skipped=1, xfailed=1)
    shown = text(result)
    errors, failures = shown.split("= FAILURES =")
    assert "ERROR at teardown of test_unfired " in errors
    assert "1 of 1 faults never fired:" in errors
    assert "lost (on 6; drop): 1 answers passed, 0 met its condition" in errors
    assert "(SND_NKE, address 9): nobody-there: no meter of the bus has address 9" in errors
    assert "1 of 1 faults never fired:" in failures, "the report of a failed test says it too"


def test_failed_test_has_its_trace_shortened_and_in_a_file(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from master import Master

        @pytest.mark.mbus_bus("bus.yaml")
        @pytest.mark.parametrize("wanted", [3, 4])
        def test_wants(mbus_server, wanted):
            with Master(mbus_server) as master:
                for _ in range(30):
                    master.ask(0x40, 5)
            assert wanted == 4
        """
    )
    result = run(project, "--mbus-trace-dir", "traces", "-o", "mbus_trace_lines=10")
    result.assert_outcomes(passed=1, failed=1)
    shown = text(result)
    section = shown.split("M-Bus: bus.yaml")[1].split("short test summary")[0].splitlines()
    assert section[1].startswith("# bus.yaml, seed ")
    assert section[2].endswith(" lines before)")
    assert section[-2].startswith("whole trace: ")
    assert len(section) == 1 + 1 + 1 + 10 + 1 + 1
    (kept,) = (project.path / "traces").iterdir()
    assert kept.name == "test_it.py-test_wants-3-.jsonl"
    header, *events = map(json.loads, kept.read_text().splitlines())
    assert header["bus"] == "bus.yaml"
    assert len(events) > 60
    assert "M-Bus" not in text(run(project, "-o", "mbus_trace_lines=0", "-k", "4"))
    run(project, "-o", "mbus_trace_dir=all", "-o", "mbus_trace_of=all").assert_outcomes(passed=1, failed=1)
    assert len(list((project.path / "all").iterdir())) == 2


def test_seed_is_the_tests_own_and_stable_and_workers_do_not_meet(project: pytest.Pytester) -> None:
    project.makefile(".yaml", seeded=f"seed: 11\n{BUS}", fixed=f"{BUS}listen: [tcp://127.0.0.1:10001]\n")
    project.makepyfile(
        test_seeds="""
        import pytest

        SEEDS = []

        @pytest.mark.mbus_bus("bus.yaml")
        @pytest.mark.parametrize("number", range(6))
        def test_named(mbus_bus, number, record_property):
            record_property("seed", mbus_bus.seed)

        @pytest.mark.mbus_bus("seeded.yaml")
        def test_file(mbus_bus, record_property):
            record_property("seed", mbus_bus.seed)

        @pytest.mark.mbus_bus("seeded.yaml", seed=12)
        def test_marker(mbus_bus, record_property):
            record_property("seed", mbus_bus.seed)

        @pytest.mark.mbus_bus("fixed.yaml")
        @pytest.mark.parametrize("number", range(4))
        def test_ports(mbus_server, number):
            assert mbus_server.port != 10001
            assert number
        """
    )

    def seeds(*arguments: str) -> dict[str, str]:
        from xml.etree import ElementTree

        run(project, "-o", "junit_family=xunit1", "--junit-xml=report.xml", *arguments).assert_outcomes(
            passed=11, failed=1
        )
        cases = ElementTree.parse(project.path / "report.xml").getroot().iter("testcase")
        found = {case.get("name", ""): case.find("properties/property") for case in cases}
        return {name: element.get("value", "") for name, element in found.items() if element is not None}

    alone = seeds()
    assert len(set(alone.values())) == 8
    assert (alone["test_file"], alone["test_marker"]) == ("11", "12")
    assert seeds("-n", "2", "--mbus-trace-dir", "traces") == alone
    (kept,) = (project.path / "traces").iterdir()
    assert kept.name in ("gw0", "gw1")
    other = seeds("--mbus-seed", "1")
    assert other["test_marker"] == "12"
    assert all(other[name] != alone[name] for name in alone if name != "test_marker")


def test_asynchronous_master_and_factory(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import mbusbench
        from mbusbench import clock
        from mbusbench.bus import Fault
        import pytest

        @pytest.mark.mbus_bus("bus.yaml", speed="real")
        def test_virtual_time(mbus_bus):
            async def main():
                mbus_bus.faults.arm(Fault("lost", on=5, frame="RSP_UD", exactly=1, do="drop"))
                async with mbusbench.MBusMaster(mbus_bus) as master:
                    return await master.query_addresses([5, 6])
            assert None not in clock.run(main()).values()

        def test_factory(mbus_bus_factory):
            one, other = mbus_bus_factory("bus.yaml"), mbus_bus_factory(devices=["generic/gas"])
            assert (len(one.meters), len(other.meters)) == (2, 1)

        def test_factory_is_looked_at(mbus_bus_factory):
            mbus_bus_factory("bus.yaml", faults=[{"name": "lost", "do": "drop"}])
            mbus_bus_factory("bus.yaml", faults=[Fault("gone", do="drop")])

        @pytest.mark.mbus_bus("bus.yaml")
        async def test_mbus_master(mbus_server, mbus_bus_factory):
            async with mbusbench.MBusMaster(mbus_server.url) as master:
                assert None not in (await master.query_addresses([5, 6])).values()
            async with mbus_bus_factory("bus.yaml").serve() as server, mbusbench.MBusMaster(server.url) as master:
                assert await master.query(5)
        """
    )
    result = run(project, "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", without=())
    shown = text(result)
    result.assert_outcomes(passed=4, errors=1)
    assert "lost (" in shown
    assert "gone (" in shown


def test_every_mistake_is_one_line(project: pytest.Pytester) -> None:
    project.makefile(".yaml", wrong="format: 1\nmeters:\n  - {device: generic/water, adress: 5}\n")
    project.makepyfile(
        """
        import pytest

        @pytest.mark.mbus_bus("wrong.yaml")
        def test_file(mbus_bus): pass

        @pytest.mark.mbus_bus("absent.yaml")
        def test_absent(mbus_bus): pass

        @pytest.mark.mbus_bus(devices=["generic/waters"])
        def test_device(mbus_bus): pass

        @pytest.mark.mbus_bus("bus.yaml", sede=3)
        def test_keyword(mbus_bus): pass

        @pytest.mark.mbus_bus("bus.yaml", faults=[{"name": "x", "do": "dorp"}])
        def test_fault(mbus_bus): pass

        @pytest.mark.mbus_bus("bus.yaml", check="everything")
        def test_check(mbus_bus): pass

        def test_no_marker(mbus_server): pass

        @pytest.mark.mbus_bus("bus.yaml", "bus.yaml")
        def test_two(mbus_bus): pass
        """
    )
    result = run(project)
    result.assert_outcomes(errors=8)
    shown = text(result).split("short test summary")[0]
    assert "During handling" not in shown
    assert "\nE " not in shown, "no traceback"
    for line in (
        "wrong.yaml:3:29 meters[0]: unknown key 'adress', did you mean 'address'?",
        "mbus_bus: there is no file 'absent.yaml', neither in ",
        "there is no device 'generic/waters', did you mean 'generic/water'?",
        "got an unexpected keyword argument 'sede'",
        "fault 'x': do",
        "'everything' is nothing that can be checked: all, unexpected, unfired, none",
        'mbus_bus: say which bus: @pytest.mark.mbus_bus("bus.yaml") or',
        "mbus_bus: the marker takes one bus file",
    ):
        assert line in shown, line
    for wrong in ("mbus_check=some", "mbus_seed=x", "mbus_trace_of=none", "mbus_trace_lines=-1"):
        refused = run(project, "-o", wrong)
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        assert wrong.partition("=")[2] in refused.stderr.str()
    run(project, "-o", "mbus_bus=bus.yaml", "-k", "no_marker").assert_outcomes(passed=1, deselected=7)


def test_unittest_and_plain_code_use_the_context_manager(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_unit="""
        import unittest
        import mbusbench
        from master import Master

        class MasterTest(unittest.TestCase):
            def setUp(self):
                self.server = self.enterContext(mbusbench.served("bus.yaml", check=True))

            def test_good(self):
                with Master(self.server) as master:
                    self.assertEqual(master.ask(0x40, 5), b"\\xe5")

            def test_unfired(self):
                self.server.arm({"name": "lost", "on": 5, "do": "drop"})

            def test_fails_with_its_trace(self):
                with mbusbench.served("bus.yaml", check=True) as server, Master(server) as master:
                    master.ask(0x40, 5)
                    self.fail("on purpose")

        if __name__ == "__main__":
            unittest.main()
        """
    )
    project._monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{project.path}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "test_unit.py"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Ran 3 tests" in done.stderr
    assert "FAILED (failures=2)" in done.stderr
    assert "AssertionError: bus.yaml: 1 of 1 faults never fired:" in done.stderr
    assert "AssertionError: on purpose\n# bus.yaml, seed " in done.stderr
    assert "ResourceWarning" not in done.stderr


def test_run_that_does_not_use_it_imports_nothing_and_is_the_same(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import sys

        def test_lazy():
            heavy = {"pydantic", "yaml", "mbusbench.bus", "mbusbench.testing", "mbusbench.errors"} & set(sys.modules)
            assert not heavy
        """
    )
    result = run(project, "-W", "error", "-p", "no:xdist", "-p", "no:unittest", process="other")
    text(result)
    result.assert_outcomes(passed=1)
    code = f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; print(sorted(set(sys.modules) - before))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "['mbusbench', 'mbusbench.pytest_plugin']"


def test_every_option_and_key_is_documented(project: pytest.Pytester) -> None:
    docs = (ROOT / "docs" / "pytest-plugin.md").read_text(encoding="utf-8")
    shown = text(run(project, "--help"))
    names = set(re.findall(r"--mbus-[a-z-]+", shown)) | set(re.findall(r"^  (mbus_\w+) \(", shown, re.MULTILINE))
    assert len(names) == 18
    keys = set(signature(sources.build).parameters) - {"fallback_seed"} | {"check", "allow"} | MASTER_RULES
    assert [name for name in sorted(names | keys) if f"`{name}" not in docs] == []
    markers = text(run(project, "--markers"))
    assert "@pytest.mark.mbus_bus(source, *, devices, faults, seed, speed, check, allow): " in markers
