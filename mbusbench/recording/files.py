"""Recorded meters as files: a device for each, and a bus that has them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mbusbench.codec.address import UNCONFIGURED
from mbusbench.definition.yaml_text import Hexadecimal, yaml_text
from mbusbench.errors import MBusUsageError
from mbusbench.meter.definition import MAX_TELEGRAMS
from mbusbench.meter.recording import DeviceData, Identity, Readout, device_data, identity, opened
from mbusbench.recording.anonymity import Anonymity, is_encrypted
from mbusbench.recording.movement import bring_to_life, clock_of
from mbusbench.recording.survey import RecordedMeter, shape

BUS_FILE = "bus.yaml"
_DEFAULT_RATES = (300, 2400)
_MICROSECOND = 1000
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Options:
    """`interval` (ns) stands between two readouts whose times nobody knows. `baud` is the line's, 0 where unknown.

    `key` opens encrypted telegrams; with `anonymity` they are in clear then.
    """

    baud: int = 0
    interval: int | None = None
    source: str | None = None
    key: bytes | None = None
    anonymity: Anonymity | None = None
    built: bool = False


@dataclass(slots=True)
class RecordedBus:
    """File names and what is in them, and one line for each thing that a person should know."""

    devices: dict[str, DeviceData] = field(default_factory=dict)
    bus: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def texts(self) -> dict[str, str]:
        """File names and their contents."""
        found = {name: yaml_text(data) for name, data in self.devices.items()}
        return {**found, BUS_FILE: yaml_text(self.bus)}


def recorded_bus(meters: Sequence[RecordedMeter], options: Options) -> RecordedBus:
    """The files for these meters."""
    found = RecordedBus()
    epoch: datetime | None = None
    asked = {meter.address for meter in meters}
    for meter in meters:
        readouts = _ordered(meter.readouts)
        if options.anonymity is not None:
            readouts = _anonymous([_opened(each, options.key) for each in readouts], options.anonymity, found.notes)
        own = next((known for frame in readouts[0].frames if (known := identity(frame)) is not None), Identity())
        data = _device(meter, readouts, options, own.name, found.notes)
        if meter.address is None and data["device"]["address"] in asked:
            _leave_address(data)
        name = _free_name(own.name, data["device"]["address"], found.devices)
        found.devices[f"{name}.yaml"] = data
        if epoch is None and _has_clock(data):
            epoch = clock_of(readouts[0])
    found.bus = _bus(found.devices, options.baud or max((meter.baud for meter in meters), default=0), epoch)
    return found


def write(recorded: RecordedBus, directory: Path, *, force: bool) -> list[Path]:
    """Write the files; MBusUsageError, and nothing written, where one is there already and `force` is not given."""
    texts = recorded.texts()
    paths = {directory / name: text for name, text in texts.items()}
    taken = [path for path in paths if path.exists()]
    if taken and not force:
        raise MBusUsageError(f"{taken[0]} is there already: --force writes over it, another --output leaves it")
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        path.write_text(text, encoding="utf-8")
    return list(paths)


def _ordered(readouts: Sequence[Readout]) -> list[Readout]:
    """The readouts from the first complete one on."""
    longest = max(len(readout.frames) for readout in readouts)
    start = next(index for index, readout in enumerate(readouts) if len(readout.frames) == longest)
    return list(readouts[start:])


def _opened(readout: Readout, key: bytes | None) -> Readout:
    if key is None:
        return readout
    return Readout(tuple(opened(frame, key) for frame in readout.frames), readout.asked, readout.time)


def _anonymous(readouts: Sequence[Readout], anonymity: Anonymity, notes: list[str]) -> list[Readout]:
    given = [frame for readout in readouts for frame in readout.frames]
    changed = iter(anonymity.frames(given))
    found = [Readout(tuple(next(changed) for _ in each.frames), each.asked, each.time) for each in readouts]
    if any(map(is_encrypted, given)):
        name = next(known.name for frame in found[0].frames if (known := identity(frame)) is not None)
        notes.append(f"{name}: an encrypted part is kept as it is: whoever has the key reads what is in it")
    return found


def _device(meter: RecordedMeter, readouts: list[Readout], options: Options, name: str, notes: list[str]) -> DeviceData:
    first = readouts[0]
    if len(first.frames) > MAX_TELEGRAMS:
        notes.append(f"{name}: {len(first.frames)} telegrams, of which a device has the first {MAX_TELEGRAMS}")
        readouts = [Readout(each.frames[:MAX_TELEGRAMS], each.asked, each.time) for each in readouts]
        first = readouts[0]
    data = device_data(readouts, key=options.key, source=options.source)
    if options.built:
        del data["checks"]
    head = data["device"]
    _add_rates(head, options.baud or meter.baud)
    if meter.delays:
        shortest, longest = min(meter.delays), max(meter.delays)
        head["response_delay"] = [_microseconds(shortest), _microseconds(longest)]
    if meter.after_last is not None:
        head["after_last"] = meter.after_last.value
    behaviour = data.pop("behaviour", {}) | _habits(meter)
    if meter.alarm:
        behaviour.pop("response_bits", None)
    if behaviour:
        data["behaviour"] = behaviour
    if meter.alarm:
        data["alarms"] = [{"state": Hexadecimal(meter.alarm), "once": False}]
    for key in ("telegrams", "checks"):
        if key in data:
            data[key] = data.pop(key)
    times = [_opened(each, options.key) for each in readouts]
    first, last = times[0], _comparable(times[0], times)
    if last is not None:
        elapsed = _elapsed(first, last, times, options)
        notes += (f"{name}: {line}" for line in bring_to_life(data, first, last, elapsed))
    return data


def _habits(meter: RecordedMeter) -> dict[str, Any]:
    """Settings of the slave that its telegrams do not show."""
    habits = {
        "acknowledgement": "short_frame" if meter.short_acknowledgement else None,
        "selected_reset": "silence" if meter.selected_reset_unanswered else None,
        "errors": "none" if meter.commands_taken else None,
    }
    return {name: value for name, value in habits.items() if value is not None}


def _leave_address(data: DeviceData) -> None:
    """The A field of its answers to 253 is the address of a meter that answers there alone: it is not this one's."""
    head = data["device"]
    behaviour = data.get("behaviour", {})
    behaviour.setdefault("selected_reply_address", head["address"])
    head["address"] = UNCONFIGURED
    rest = {key: data.pop(key) for key in list(data) if key not in ("format", "description", "source", "device")}
    data.update({"behaviour": behaviour, **{key: value for key, value in rest.items() if key != "behaviour"}})


def _add_rates(head: dict[str, Any], baud: int) -> None:
    if baud and baud not in _DEFAULT_RATES:
        head["baud"] = sorted({*_DEFAULT_RATES, baud})


def _microseconds(duration: int) -> str:
    return f"{duration // _MICROSECOND}us"


def _comparable(first: Readout, readouts: Sequence[Readout]) -> Readout | None:
    """The last readout with the same telegrams as the first, values aside, asked for in the same way."""
    wanted = list(map(shape, first.frames))
    same = [each for each in readouts[1:] if each.asked == first.asked]
    return next((each for each in reversed(same) if list(map(shape, each.frames)) == wanted), None)


def _elapsed(first: Readout, last: Readout, readouts: Sequence[Readout], options: Options) -> int | None:
    if options.interval is not None:
        return options.interval * readouts.index(last)
    if first.time is None or last.time is None:
        return None
    return last.time - first.time


def _free_name(name: str, address: int, taken: Iterable[str]) -> str:
    number = 1
    free = name
    while f"{free}.yaml" in taken:
        free = f"{name}-{address}" if number == 1 else f"{name}-{address}-{number}"
        number += 1
    return free


def _has_clock(data: DeviceData) -> bool:
    return any(
        record.get("value") == {"clock": "now"} for each in data["telegrams"] for record in each.get("records", ())
    )


def _bus(devices: dict[str, DeviceData], baud: int, epoch: datetime | None) -> dict[str, Any]:
    addresses = [data["device"]["address"] for data in devices.values()]
    bus: dict[str, Any] = {"format": 1}
    if epoch is not None:
        bus["epoch"] = epoch.isoformat()
    if baud:
        bus["line"] = {"baud": baud}
    if len(set(addresses)) < len(addresses):
        bus["allow_duplicate_addresses"] = True
    bus["meters"] = [{"device": name} for name in devices]
    return bus


def telegrams_of(recorded: RecordedBus) -> int:
    """How many telegrams the devices have in all."""
    return sum(len(data["telegrams"]) for data in recorded.devices.values())
