"""A PostgreSQL for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.parts import need
from tests.services import PostgreSQL, postgresql_programs


@pytest.fixture(scope="session")
def _postgresql_server() -> Iterator[PostgreSQL]:
    need("postgresql")
    programs = postgresql_programs()
    assert programs is not None
    server = PostgreSQL(programs)
    yield server
    server.close()


@pytest.fixture
def postgresql(_postgresql_server: PostgreSQL) -> PostgreSQL:
    return _postgresql_server
