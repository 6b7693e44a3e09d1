"""`pytest --master naive_master` tests the first try."""

from importlib import import_module

import pytest


def pytest_addoption(parser):
    parser.addoption("--master", default="own_master", help="module of the master to test")


@pytest.fixture
def master(mbus_server, pytestconfig):
    """A master that is connected to the test's bus."""
    with import_module(pytestconfig.getoption("--master")).Master(*mbus_server.address) as master:
        yield master
