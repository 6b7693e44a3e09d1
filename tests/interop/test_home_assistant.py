"""examples/home-assistant in a real Home Assistant, which lives in an environment of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import environment
from tests.interop.parts import HOME_ASSISTANT, need

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parent.parent.parent


def test_integration_passes_its_own_tests_in_home_assistant(tmp_path: Path) -> None:
    need("home-assistant")
    project = shutil.copytree(ROOT / "examples" / "home-assistant", tmp_path / "home-assistant")
    done = subprocess.run(
        [HOME_ASSISTANT / "bin" / "python", "-m", "pytest", "-q", "-p", "no:sugar", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment(PYTHONPATH=str(ROOT), PYTHONWARNINGS="default", PYTEST_ADDOPTS=""),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[0-9]{2} passed", done.stdout, re.MULTILINE), done.stdout
