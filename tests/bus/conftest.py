from __future__ import annotations

import shutil

import pytest

from tests.interop.parts import need


@pytest.fixture
def socat() -> str:
    """Its path; the test is skipped, or fails, where it is not installed."""
    need("socat")
    path = shutil.which("socat")
    assert path is not None
    return path
