"""Meters whose values are never the same twice, and what they held: the truth that a readout is compared with.

The truth is computed here, from the time alone, and not by the code that the meters run on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mbusbench.definition.document import parse_document
from mbusbench.master.results import MBusSlaveData
from mbusbench.meter.definition import Device
from mbusbench.meter.meter import Meter
from mbusbench.protocol.fcb import FcbMode

MILLISECOND = 1_000_000
FIRST_ADDRESS = 1
REMEMBERED = 500
_HEAD = "format: 1\ndevice: {manufacturer: HYD, version: 40, medium: water, id: 12345678, baud: [2400]}\ntelegrams:\n"
_TELEGRAM = """\
  - records:
      - {{vif: volume, unit: m3, scale: -3, code: bcd12, storage: {storage}, value: {{counter: {{start: {start}, \
rate: 1, per: second}}}}}}
      - {{vif: energy, unit: Wh, code: int48, storage: {storage}, value: {{counter: {{start: {energy}, \
rate: 1000, per: second}}}}}}
"""


def _start(address: int, telegram: int) -> int:
    """Litres at the epoch."""
    return address * 10_000_000_000 + telegram * 1_000_000_000


def truth(address: int, telegram: int, now: int) -> tuple[int, int]:
    """Litres and Wh that the telegram of the meter holds at `now` (ns): both count up each millisecond."""
    counted = now // MILLISECOND
    return _start(address, telegram) + counted, _start(address, telegram) + 7 + counted


def _device(address: int, telegrams: int) -> Device:
    text = "".join(
        _TELEGRAM.format(storage=index, start=_start(address, index) / 1000, energy=_start(address, index) + 7)
        for index in range(telegrams)
    )
    return Device.from_document(parse_document(_HEAD + text, "meter.yaml"))


class WatchedMeter(Meter):
    """Keeps when it was asked for records: (telegram, ns since the bus's epoch)."""

    __slots__ = ("asked",)

    def __init__(self, address: int, telegrams: int, **options: object) -> None:
        options.setdefault("identification", f"{address:08d}")
        self.asked: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        super().__init__(_device(address, telegrams), address=address, **options)  # type: ignore[arg-type]

    def records(self, telegram: int, now: int) -> bytes:
        self.asked.append((telegram, now))
        return super().records(telegram, now)


def meters(seed: str) -> list[WatchedMeter]:
    """Strict, lenient and forgetful ones, with one telegram and with three."""
    kinds = [(FcbMode.STRICT, 1), (FcbMode.STRICT, 1), (FcbMode.LENIENT, 1), (FcbMode.IGNORE, 1), (FcbMode.STRICT, 3)]
    return [
        WatchedMeter(address, telegrams, fcb=fcb, seed=f"{seed}/{address}")
        for address, (fcb, telegrams) in enumerate(kinds, FIRST_ADDRESS)
    ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a returned readout is. `why` is empty where it is right.

    `is_old`: every telegram is one that the meter sent, but not all of them for this read. `held` are its telegrams,
    each with the time at which the meter held its values.
    """

    why: str = ""
    is_old: bool = False
    held: tuple[tuple[int, int], ...] = ()


def judge(data: MBusSlaveData, meter: WatchedMeter, since: int) -> Verdict:
    """Compare a readout with what the meter held whenever it was asked, from `since` on (ns)."""
    if data.serial_number != meter.identification or data.address != meter.address:
        return Verdict(f"it is of {data.serial_number} at {data.address}")
    telegrams: dict[int, list[tuple[int, int]]] = {}
    for record in data.records:
        value = record.value
        if not isinstance(value, int | float):
            return Verdict(f"{record.description} is {value!r}")
        scale = 1000 if record.unit in ("m³", "kWh") else 1
        telegrams.setdefault(record.telegram, []).append((record.storage_number or 0, round(value * scale)))
    if [record.unit for record in data.records] != ["m³", "kWh"] * len(telegrams):
        return Verdict(f"units {[record.unit for record in data.records]}")
    held: list[tuple[int, int]] = []
    for place, found in sorted(telegrams.items()):
        number = found[0][0]
        when = _held(meter, number, [value for _, value in found])
        if when is None or found[1][0] != number:
            return Verdict(f"telegram {place} has {found}, which the meter never held")
        held.append((number, when))
    if not held:
        return Verdict("it has no records")
    age = since - min(when for _, when in held)
    if age > 0:
        return Verdict(f"it is {age / 1e9:.3f} s older than the call", True, tuple(held))
    numbers = [number for number, _ in held]
    complete = list(range(len(meter.device.telegrams)))
    if numbers != complete and not (data.more_records_follow and numbers == complete[: len(numbers)]):
        return Verdict(f"it has the telegrams {numbers} of {complete}", True, tuple(held))
    return Verdict(held=tuple(held))


def _held(meter: WatchedMeter, telegram: int, values: Sequence[int]) -> int | None:
    """The last time at which the meter was asked while it held these values."""
    for asked, now in reversed(meter.asked):
        if asked == telegram and list(truth(meter.address, telegram, now)) == values:
            return now
    return None
