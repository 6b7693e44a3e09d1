"""A PostgreSQL for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import PostgreSQL, postgresql_programs


@pytest.fixture(scope="session")
def _postgresql_server() -> Iterator[PostgreSQL]:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (the system's package postgresql)")
    server = PostgreSQL(programs)
    yield server
    server.close()


@pytest.fixture
def postgresql(_postgresql_server: PostgreSQL) -> PostgreSQL:
    return _postgresql_server
