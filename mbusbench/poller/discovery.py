"""Who is on a bus, and a configuration for them: connections and bindings to begin with, as YAML to be edited.

Primary addresses are scanned, then secondary ones searched; each meter is read once, and every record that has a value
becomes a binding by its meaning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mbusbench.definition.yaml_text import yaml_text
from mbusbench.errors import MBusConnectionError, MBusError, MBusTimeoutError
from mbusbench.master import MBusMaster
from mbusbench.master.results import MBusSlaveData, MBusSlaveInfo
from mbusbench.master.search import MBusFound
from mbusbench.poller.binding import Meaning, meaning_of, name_of
from mbusbench.poller.meter import identity_of
from mbusbench.transport.url import Rfc2217Endpoint, SerialEndpoint, TcpEndpoint, parse_url

PERIOD = "15min"
WITHOUT_VALUE = ("manufacturer_specific", "reserved", "special_supplier_information")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Discovered:
    """A meter that was read: by which address it is asked for, and what it sent. Or why it could not be read."""

    address: int | str
    data: MBusSlaveData | None
    reason: str = ""


Progress = Callable[[str], object]


async def discover(
    master: MBusMaster,
    *,
    addresses: Iterable[int] = range(1, 251),
    secondary: bool = True,
    progress: Progress = lambda text: None,
) -> list[Discovered]:
    """The meters on the bus of an open master: those with a primary address of their own, then the others.

    `progress` gets a line for each find. MBusConnectionError where the bus is lost.
    """
    found: list[Discovered] = []
    known: set[str] = set()
    async for address, result in master.scan(addresses):
        if isinstance(result, MBusTimeoutError):
            continue
        if isinstance(result, MBusError):
            progress(f"{address}: {result}")
            continue
        found.append(await _read(master, address, result, progress))
        if result.secondary_address is not None and found[-1].data is not None:
            known.add(result.secondary_address)
    if secondary:
        async for each in master.search(known=known):
            if not isinstance(each, MBusFound):
                progress(f"{each.mask}: {each.message}")
            elif each.secondary_address is not None and each.secondary_address not in known:
                found.append(await _read(master, each.secondary_address, each, progress))
    return found


async def _read(master: MBusMaster, address: int | str, who: MBusSlaveInfo, progress: Progress) -> Discovered:
    try:
        data = await master.query(address)
    except MBusConnectionError:
        raise
    except MBusError as error:
        progress(f"{address}: {error}")
        return Discovered(address, None, str(error))
    progress(f"{address}: {identity_of(data) or who.medium or 'a meter'}, {len(data.records)} records")
    return Discovered(address, data)


def proposal(url: str, meters: Iterable[Discovered], *, baudrate: int = 2400, parity: str = "even") -> str:
    """A configuration file for these meters."""
    connection: dict[str, Any] = {"name": name_from(url), **channel(url)}
    if baudrate != 2400:
        connection["baud"] = baudrate
    if parity != "even":
        connection["parity"] = parity
    connection["period"] = PERIOD
    listed = list(meters)
    connection["meters"] = [_meter(each) for each in listed]
    comments = [
        f"Proposed for {url}: {len(listed)} meters. Choose names and the period; bindings that are not wanted may go.",
        *(f"{each.address} could not be read: {each.reason}" for each in listed if each.data is None),
    ]
    return yaml_text({"format": 1, "connections": [connection]}, comments)


def channel(url: str) -> dict[str, Any]:
    """The keys of a connection that name the bus."""
    match parse_url(url):
        case TcpEndpoint(host, port):
            return {"type": "tcp", "host": host, "port": port}
        case Rfc2217Endpoint(host, port):
            return {"type": "rfc2217", "host": host, "port": port}
        case SerialEndpoint(path):
            return {"type": "serial", "port": path}


def name_from(url: str) -> str:
    """A name for the connection: `192-168-1-50`, `ttyUSB0`."""
    match parse_url(url):
        case SerialEndpoint(path):
            text = path.rsplit("/", 1)[-1]
        case TcpEndpoint(host, _) | Rfc2217Endpoint(host, _):
            text = host
    return _NOT_A_NAME.sub("-", text).strip("-") or "bus"


def _meter(found: Discovered) -> dict[str, Any]:
    data = found.data
    if data is None:
        return {"address": found.address, "enabled": False}
    meter: dict[str, Any] = {"address": found.address, "name": identity_of(data) or f"meter {found.address}"}
    bindings = [binding for binding in _bindings(data) if binding]
    if bindings:
        meter["bindings"] = bindings
    return meter


def _bindings(data: MBusSlaveData) -> Iterable[dict[str, Any]]:
    """One for each record that has a value; by index where its meaning is not its alone."""
    meanings = Counter(meaning_of(record) for record in data.records)
    names: Counter[str] = Counter()
    begins: dict[int, int] = {}
    for record in data.records:
        begins.setdefault(record.telegram, record.index)
        if record.quantity in WITHOUT_VALUE or not record.valid:
            continue
        meaning = meaning_of(record)
        name = name_of(meaning)
        names[name] += 1
        if names[name] > 1:
            name = f"{name}_{names[name]}"
        binding: dict[str, Any] = {"name": name, **keys_of(meaning)}
        if meanings[meaning] > 1:
            binding |= {"telegram": record.telegram, "index": record.index - begins[record.telegram]}
        yield binding


def keys_of(meaning: Meaning) -> dict[str, Any]:
    """A meaning as the keys of a binding, without what goes without saying."""
    quantity, storage, tariff, subunit, function, modifiers = meaning
    keys: dict[str, Any] = {"quantity": str(quantity)}
    keys |= {key: number for key, number in (("storage", storage), ("tariff", tariff), ("subunit", subunit)) if number}
    if function != "instantaneous":
        keys["function"] = str(function)
    if modifiers:
        keys["modifiers"] = list(modifiers)
    return keys
