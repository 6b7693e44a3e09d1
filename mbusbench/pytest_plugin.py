"""The pytest plugin: a bus for each test of a master, looked at when the test is over.

Where nothing of it is used it costs the import of this file, which imports nothing but pytest. Everything else comes
with the first fixture that is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from mbusbench.bus import VirtualBus
    from mbusbench.scenario.collecting import Settings
    from mbusbench.testing import Check, ServedBus, Watch

MARKER = (
    "mbus_bus(source, *, devices, faults, seed, speed, check, allow): the bus of the test's mbus_bus and mbus_server, "
    "from a bus file or devices; check is all, unexpected, unfired or none, allow names rules and faults"
)
CHECKS = ("all", "unexpected", "unfired", "none")
TRACES_OF = ("failed", "all")
LINES = "100"


class _State:
    """What this plugin knows of one test: its watched buses, and whether something else in it went wrong."""

    __slots__ = ("failed", "watches")

    def __init__(self) -> None:
        self.watches: list[Watch] = []
        self.failed = False


_SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
_STATE = pytest.StashKey[_State]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mbusbench", "virtual M-Bus")
    group.addoption("--mbus-seed", metavar="N", help="another series of seeds, for all but markers with one")
    group.addoption("--mbus-check", choices=CHECKS, help="what at the end of a test is an error (default: all)")
    group.addoption("--mbus-trace-dir", metavar="DIR", help="write the traces of failed tests to this directory")
    group.addoption(
        "--mbus-scenarios", action="store_true", help="collect *.scenario.yaml and scenarios/ as tests of a master"
    )
    group.addoption("--mbus-master", metavar="DRIVER", help="the master of scenarios (default: builtin)")
    group.addoption("--mbus-transport", metavar="NAME", help="how it reaches the bus: tcp, tty or rfc2217")
    parser.addini("mbus_scenarios", "as --mbus-scenarios", type="bool", default=False)
    parser.addini("mbus_master", "as --mbus-master; a driver file relative to the root directory", default="builtin")
    parser.addini("mbus_transport", "as --mbus-transport", default="tcp")
    parser.addini("mbus_strict", "a scenario that is non-strict is a failure", type="bool", default=False)
    parser.addini("mbus_allow_inconclusive", "an inconclusive scenario is skipped", type="bool", default=False)
    parser.addini("mbus_bus", "bus file of tests whose marker names none, relative to the root directory")
    parser.addini("mbus_seed", "as --mbus-seed", default="")
    parser.addini("mbus_check", f"as --mbus-check: {', '.join(CHECKS)}", default="all")
    parser.addini("mbus_allow", "names of rules, and of faults that need not fire, for all tests", type="args")
    parser.addini("mbus_trace_dir", "as --mbus-trace-dir, relative to the root directory")
    parser.addini("mbus_trace_of", "which tests write their trace there: failed or all", default="failed")
    parser.addini("mbus_trace_lines", "lines of the trace in a failed test's report, 0 for none", default=LINES)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    _one_of(config, "mbus_check", CHECKS)
    _one_of(config, "mbus_trace_of", TRACES_OF)
    for name, value in (("--mbus-seed", _option(config, "mbus_seed")), ("mbus_trace_lines", _lines_text(config))):
        if value and not value.isdecimal():
            raise pytest.UsageError(f"{name}: {value!r} is not a number from 0")
    if config.getoption("mbus_scenarios") or config.getini("mbus_scenarios"):
        config.stash[_SETTINGS] = _scenario_settings(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    settings = parent.config.stash.get(_SETTINGS, None)
    if settings is None or file_path.suffix not in (".yaml", ".yml"):
        return None
    from mbusbench.scenario import collecting

    if not collecting.is_wanted(file_path):
        return None
    return collecting.ScenarioFile.of(parent, file_path, settings)


def _scenario_settings(config: pytest.Config) -> Settings:
    from mbusbench.scenario import collecting

    directory = _option(config, "mbus_trace_dir")
    master = _option(config, "mbus_master")
    beside = config.rootpath / master
    if master.endswith((".yaml", ".yml")) and beside.is_file():
        master = os.path.relpath(beside)
    collecting.master_of(master)
    return collecting.Settings(
        master,
        collecting.transport_of(_option(config, "mbus_transport")),
        int(_option(config, "mbus_seed") or 0),
        config.getini("mbus_strict"),
        config.getini("mbus_allow_inconclusive"),
        config.rootpath / directory if directory else None,
        config.getini("mbus_trace_of") == "all",
    )


@pytest.fixture
def mbus_bus_factory(request: pytest.FixtureRequest) -> Generator[Callable[..., VirtualBus], None, None]:
    """Makes buses: `mbus_bus_factory("bus.yaml", seed=7)`; the keywords are those of the marker, which it does not see.

    Each is looked at when the test is over.
    """
    state = _state(request.node)
    first = len(state.watches)

    def make(source: str | Path | None = None, **keywords: Any) -> VirtualBus:
        watch = _watched(request, {"source": source, **keywords})
        state.watches.append(watch)
        return watch.bus

    yield make
    _verify(state, state.watches[first:])


@pytest.fixture
def _mbus_watch(request: pytest.FixtureRequest) -> Generator[Watch, None, None]:
    """The bus of the marker, with what records it."""
    state = _state(request.node)
    watch = _watched(request, _marked(request))
    state.watches.append(watch)
    yield watch
    _verify(state, [watch])


@pytest.fixture
def mbus_bus(_mbus_watch: Watch) -> VirtualBus:
    """The VirtualBus that the marker `mbus_bus` describes; not served, unless `mbus_server` is used too."""
    return _mbus_watch.bus


@pytest.fixture
def mbus_server(_mbus_watch: Watch) -> Generator[ServedBus, None, None]:
    """The bus of the marker, served from a thread on a free port: `url`, `address`, `arm`, `wait_for`, `exchanges`."""
    from mbusbench.errors import MBusError
    from mbusbench.testing.served import serving

    server = serving(_mbus_watch)
    try:
        server.start()
    except MBusError as error:
        _refuse(error)
    try:
        yield server
    finally:
        server.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    state = item.stash.get(_STATE, None)
    if state is None:
        return report
    if call.excinfo is not None and call.when != "teardown":
        state.failed = True
    if report.failed and state.watches:
        _attach(item, state, report)
    elif report.when == "teardown" and item.config.getini("mbus_trace_of") == "all":
        for number, watch in enumerate(state.watches, 1):
            _save(item, watch, number)
    if report.when == "teardown":
        del item.stash[_STATE]
    return report


def _attach(item: pytest.Item, state: _State, report: pytest.TestReport) -> None:
    """A section for each bus: what was not right, and the end of its trace."""
    lines = int(_lines_text(item.config))
    for number, watch in enumerate(state.watches, 1):
        parts: list[str] = []
        if report.when != "teardown":
            parts.append(watch.problems())
        if lines:
            parts.append(watch.text(lines))
        parts.append(_save(item, watch, number))
        report.sections.append((f"M-Bus: {watch.name}, seed {watch.bus.seed}", "\n".join(filter(None, parts))))


def _save(item: pytest.Item, watch: Watch, number: int) -> str:
    """Where the whole trace is, in words; empty where none is wanted."""
    directory = _option(item.config, "mbus_trace_dir")
    if not directory:
        return ""
    import re
    from pathlib import Path
    from zlib import crc32

    # Workers of pytest-xdist may run the same test: each has a directory of its own.
    worker = getattr(item.config, "workerinput", {}).get("workerid", "")
    stem = re.sub(r"[^\w.-]+", "-", _name(item))
    if len(stem) > 120:
        stem = f"{stem[:110]}-{crc32(stem.encode()):08x}"
    path = item.config.rootpath / Path(directory) / worker / f"{stem}{f'-{number}' if number > 1 else ''}.jsonl"
    try:
        watch.save(path)
    except OSError as error:
        return f"the trace could not be written to {path}: {error.strerror}"
    return f"whole trace: {path}"


def _watched(request: pytest.FixtureRequest, said: dict[str, Any]) -> Watch:
    """The bus that a marker or a call describes, observed."""
    from mbusbench.errors import MBusError
    from mbusbench.testing.served import name_of
    from mbusbench.testing.sources import build, seed_of
    from mbusbench.testing.watch import Watch

    config = request.config
    check, allow = said.pop("check", None), said.pop("allow", ())
    series = _option(config, "mbus_seed")
    try:
        if said.get("source") is not None:
            said["source"] = _found(request, said["source"])
        if isinstance(said.get("devices"), list | tuple):
            said["devices"] = [_found(request, each) if _is_file(each) else each for each in said["devices"]]
        if said.get("seed") is None and series:
            said["seed"] = seed_of(_name(request.node), int(series))
        bus = build(fallback_seed=seed_of(_name(request.node)), **said)
        allowed = (*([allow] if isinstance(allow, str) else allow), *config.getini("mbus_allow"))
        return Watch(bus, name_of(said.get("source"), said.get("devices", ())), _check(config, check), allowed)
    except MBusError as error:
        _refuse(error)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        _refuse(f"mbus_bus: {str(error).partition(' ')[2]}")


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the markers of the test say: of each key the nearest one."""
    said: dict[str, Any] = {}
    for marker in request.node.iter_markers("mbus_bus"):
        if len(marker.args) > 1:
            _refuse("mbus_bus: the marker takes one bus file; everything else has a name")
        own = {**({"source": marker.args[0]} if marker.args else {}), **marker.kwargs}
        if "source" in said or "devices" in said:
            own.pop("source", None)
            own.pop("devices", None)
        said = {**own, **said}
    if "source" not in said and "devices" not in said:
        default = request.config.getini("mbus_bus")
        if not default:
            _refuse('mbus_bus: say which bus: @pytest.mark.mbus_bus("bus.yaml") or (devices=["generic/water"])')
        said["source"] = request.config.rootpath / default
    return said


def _found(request: pytest.FixtureRequest, source: str | Path) -> Path:
    """A bus or device file: beside the test's file, else below the root directory."""
    from pathlib import Path

    config = request.config
    places = [request.path.parent / source, config.rootpath / source]
    place = next((each for each in places if each.is_file()), None)
    if place is None:
        _refuse(
            f"mbus_bus: there is no file {str(source)!r}, neither in {request.path.parent} nor in {config.rootpath}"
        )
    return Path(os.path.relpath(place)) if place.is_relative_to(Path.cwd()) else place


def _is_file(device: object) -> bool:
    return isinstance(device, os.PathLike) or (isinstance(device, str) and device.endswith((".yaml", ".yml")))


def _check(config: pytest.Config, said: object) -> Check:
    """What is looked at: the command line's, else the marker's, else the ini file's."""
    from mbusbench.testing.watch import Check

    line = config.getoption("mbus_check")
    if line is not None:
        return Check.of(line)
    return Check.of(config.getini("mbus_check") if said is None else said)


def _verify(state: _State, watches: list[Watch]) -> None:
    """An error where something was not right, unless the test has failed anyway: then its report says so."""
    if state.failed:
        return
    found = "\n".join(filter(None, (watch.problems() for watch in watches)))
    if found:
        pytest.fail(found, pytrace=False)


def _refuse(reason: object) -> NoReturn:
    raise pytest.fail.Exception(str(reason), pytrace=False) from None


def _state(item: pytest.Item) -> _State:
    return item.stash.setdefault(_STATE, _State())


def _name(item: pytest.Item) -> str:
    """File, classes and function: the same from every directory and on every worker."""
    chain = [node.name for node in item.listchain() if isinstance(node, pytest.Class | pytest.Item)]
    return "::".join([item.path.name, *chain])


def _option(config: pytest.Config, name: str) -> str:
    """The command line's, else the ini file's."""
    value = config.getoption(name)
    return str(config.getini(name) if value is None else value)


def _lines_text(config: pytest.Config) -> str:
    return str(config.getini("mbus_trace_lines"))


def _one_of(config: pytest.Config, name: str, known: tuple[str, ...]) -> None:
    value = config.getini(name)
    if value not in known:
        raise pytest.UsageError(f"{name}: {value!r} is none of {', '.join(known)}")
