"""A worker with short leases: `python worker.py CONFIG SECONDS`. Else it is `mbusbench poll`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mbusbench.poller.definition import PollerFile
from mbusbench.poller.operation.leases import LeaseTimes
from mbusbench.poller.operation.logs import configure
from mbusbench.poller.operation.service import Service


def main(path: Path, ttl: float) -> None:
    definition = PollerFile.read(path)
    configure(definition.log.format, definition.log.level)
    service = Service(path, definition)
    assert service.leases is not None
    service.leases.times = LeaseTimes(ttl)
    asyncio.run(service.run())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
