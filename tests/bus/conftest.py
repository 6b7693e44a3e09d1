from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def socat() -> str:
    """Its path; the test is skipped where it is not installed."""
    path = shutil.which("socat")
    if path is None:
        pytest.skip("socat is not installed (a system package: apt-get install socat)")
    return path
