"""A changed file is followed, a wrong one is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mbusbench.errors import DefinitionError
from mbusbench.poller.operation.reloading import Reloader

pytestmark = pytest.mark.virtual_time


class Service:
    """Its configuration is the text of a file; `with FILE` makes it one of two files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.applied: list[str] = []

    async def read(self) -> str:
        text = self.path.read_text()
        if "wrong" in text:
            raise DefinitionError("config.yaml:1:1: wrong\nconfig.yaml:2:1: more")
        return text

    async def apply(self, text: str) -> str:
        self.applied.append(text)
        return "done"

    def files(self, text: str) -> list[Path]:
        words = text.split()
        return [self.path, *(self.path.with_name(words[1]) for _ in words[1:2])]

    @asynccontextmanager
    async def running(self, *, watch: bool = True) -> AsyncGenerator[Reloader[str]]:
        reloader = Reloader(self.read, self.apply, self.files, first=await self.read(), watch=watch)
        task = asyncio.create_task(reloader.run())
        yield reloader
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "config.yaml").write_text("one")
    return Service(tmp_path / "config.yaml")


async def test_changed_file_is_read_once(service: Service) -> None:
    async with service.running() as reloader:
        service.path.write_text("two more")
        await asyncio.sleep(10)
        assert (service.applied, reloader.good) == (["two more"], 1)


async def test_mistake_changes_nothing_and_each_line_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async with service.running() as reloader:
        service.path.write_text("wrong!")
        await asyncio.sleep(10)
        assert (service.applied, reloader.bad) == ([], 1)
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
            "config.yaml changed, and cannot be used; what was goes on",
            "config.yaml:1:1: wrong",
            "config.yaml:2:1: more",
        ]
        service.path.write_text("right again")
        await asyncio.sleep(10)
        assert service.applied == ["right again"]


async def test_request_reloads_what_has_not_changed(service: Service) -> None:
    async with service.running(watch=False) as reloader:
        service.path.write_text("two")
        await asyncio.sleep(10)
        assert service.applied == []
        reloader.request()
        await asyncio.sleep(0.1)
        assert service.applied == ["two"]


async def test_file_that_the_configuration_names_is_watched_too(service: Service) -> None:
    secret = service.path.with_name("password")
    secret.write_text("a")
    async with service.running() as reloader:
        service.path.write_text("with password")
        await asyncio.sleep(10)
        secret.write_text("changed")
        await asyncio.sleep(10)
        assert reloader.good == 2
