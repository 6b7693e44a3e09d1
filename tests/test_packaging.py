"""The wheel, built through the sdist and installed into an environment of its own, away from the checkout.

Slow and in need of a package index: `tox -e packaging`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parent.parent


def _run(*command: str | Path, cwd: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--outdir", target, ROOT, cwd=target)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bin_directory(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a fresh environment with nothing but the wheel and what it requires."""
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", home / "venv", cwd=home)
    _run(home / "venv" / "bin" / "pip", "install", "--quiet", wheel, cwd=home)
    return home / "venv" / "bin"


def _files(directory: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / directory).rglob("*") if path.is_file()}


def test_wheel_carries_devices_scenarios_typing_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name.removeprefix("mbusbench/_data/") for name in names if name.startswith("mbusbench/_data/")}
    assert shipped == _files("devices") | _files("scenarios")
    assert "mbusbench/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")} == {"mbusbench"}


def test_installed_package_requires_nothing_that_it_does_not_name(bin_directory: Path, tmp_path: Path) -> None:
    _run(bin_directory / "pip", "check", cwd=tmp_path)
    assert _run(bin_directory / "mbusbench", "--version", cwd=tmp_path).startswith("mbusbench ")


def test_installed_package_finds_its_devices(bin_directory: Path, tmp_path: Path) -> None:
    listed = _run(bin_directory / "mbusbench", "devices", "--json", cwd=tmp_path).splitlines()
    expected = {
        path.removeprefix("devices/").removesuffix(".yaml") for path in _files("devices") if path.endswith(".yaml")
    }
    assert {json.loads(line)["device"] for line in listed} == expected


def test_demo_runs_from_the_installed_package(bin_directory: Path, tmp_path: Path) -> None:
    assert "3 meters on socket://127.0.0.1:" in _run(bin_directory / "mbusbench", "demo", cwd=tmp_path)


def test_every_module_of_the_installed_package_can_be_imported(bin_directory: Path, tmp_path: Path) -> None:
    script = (
        "import importlib, pkgutil, mbusbench\n"
        "names = [found.name for found in pkgutil.walk_packages(mbusbench.__path__, 'mbusbench.')]\n"
        "# These are there where they are used: by who has pytest, or the extra `poller`.\n"
        "elsewhere = {'pytest', 'aiomqtt', 'cronsim', 'prometheus_client', 'psycopg', 'starlette', 'uvicorn'}\n"
        "for name in names:\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        if error.name.partition('.')[0] not in elsewhere: raise\n"
        "for name in mbusbench.__all__: getattr(mbusbench, name)\n"
        "print(len(names))\n"
    )
    assert int(_run(bin_directory / "python", "-W", "error", "-c", script, cwd=tmp_path)) > 20


def test_project_of_a_stranger_is_tested_as_its_readme_says(wheel: Path, tmp_path: Path) -> None:
    (source,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (project,) = tmp_path.glob("*/examples/pytest-own-master")
    good, naive = re.findall(r"^```sh\n(.*?)^```$", (project / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    good = good.replace("python3 -m venv", f"{sys.executable} -m venv")
    shown = _run("bash", "-ec", good, cwd=project)
    assert shown.count("6 passed") == 2
    shown = _run("bash", "-c", f"{naive.strip()} || echo status $?", cwd=project)
    assert "FAILED tests/test_master.py::test_damaged_answer_is_not_believed" in shown
    assert "ERROR tests/test_master.py::test_meter_is_read_again" in shown
    assert shown.endswith("status 1\n")
