"""Masters that others wrote, each in a process of its own: addresses in, records in one form out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.interop import readings
from tests.interop.parts import NODE_MODULES
from tests.interop.readings import Shown

CLIENTS = Path(__file__).with_name("clients")
TIME_LIMIT = 300
PROCESSES = 10
"""Of one master, at once, over TCP: each waits for most of a readout, and libmbus cannot be used by several threads."""


class MasterError(Exception):
    """The master did not read the meter."""


def _run(command: list[str], **environment: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        command, capture_output=True, timeout=TIME_LIMIT, env={**os.environ, **environment}, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _py_meterbus(url: str, *addresses: str) -> list[dict[str, Any]]:
    # A pty knows no parity: a serial port that asks for it is a real one.
    parity = "E" if "://" in url else "N"
    return _run([sys.executable, str(CLIENTS / "py_meterbus.py"), url, parity, *addresses])


def _node_mbus(url: str, *addresses: str) -> list[dict[str, Any]]:
    where = urlsplit(url)
    target = ["tcp", where.hostname or "", str(where.port)] if where.scheme else ["serial", url, "2400"]
    return _run(["node", str(CLIENTS / "node_mbus.js"), *target, *addresses], NODE_PATH=str(NODE_MODULES))


@dataclass(frozen=True)
class ForeignMaster:
    """`fcb` is what a meter must be like for it."""

    name: str
    fcb: str
    ask: Callable[..., list[dict[str, Any]]]
    convert: Callable[[Iterable[Mapping[str, Any]]], Iterator[Shown]]

    def read(self, url: str, *addresses: str) -> dict[str, list[Shown]]:
        """The records of each meter. MasterError where it was not read."""
        shares = [share for number in range(PROCESSES) if (share := addresses[number::PROCESSES])]
        if "://" not in url:
            shares = [addresses]
        with ThreadPoolExecutor(len(shares)) as pool:
            answers = [answer for share in pool.map(lambda share: self.ask(url, *share), shares) for answer in share]
        found = {}
        for answer in answers:
            if "error" in answer:
                raise MasterError(f"{self.name}, address {answer['address']}: {answer['error']}")
            found[str(answer["address"])] = list(self.convert(answer["records"]))
        return {address: found[address] for address in addresses}


# pyMeterBus begins every readout with the frame count bit 0, which a strict meter takes for a repeat.
PY_METERBUS = ForeignMaster("pyMeterBus", "lenient", _py_meterbus, readings.py_meterbus)
NODE_MBUS = ForeignMaster("node-mbus", "strict", _node_mbus, readings.node_mbus)
MASTERS = {master.name: master for master in (PY_METERBUS, NODE_MBUS)}


def node_mbus_scan(url: str) -> list[str]:
    """The secondary addresses that node-mbus finds."""
    found: list[str] = _node_mbus(url, "scan")[0]["found"]
    return found
