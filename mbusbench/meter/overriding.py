"""A device with other values in some of its records, as a bus file gives them for single meters.

What changes is checked as if it stood in the device file; records that stay are shared with the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from mbusbench.definition.document import Path_, path_text
from mbusbench.definition.validation import did_you_mean, mistakes_in, shown
from mbusbench.meter.definition import Device
from mbusbench.meter.record_definition import Record

Wrong = tuple[Path_, str, str | None]
"""A path in the values, what is wrong there, and the key that cannot be there."""


def with_values(device: Device, values: Mapping[str, object]) -> Device | list[Wrong]:
    """The device whose records named in `values` have these values; or what is wrong with them.

    A record is named as for `follows`; a value is what a device file has there.
    """
    places: dict[Path_, str] = {}
    wrong: list[Wrong] = []
    paths = {id(record): path for path, record in device.each_record()}
    for name in values:
        record = _named(device, name)
        if isinstance(record, str):
            wrong.append(((name,), record, None))
        elif paths[id(record)] in places:
            wrong.append(((name,), f"is the record that {places[paths[id(record)]]!r} is, too", None))
        else:
            places[paths[id(record)]] = name
    if wrong:
        return wrong
    data = _data_with(device, {path: values[name] for path, name in places.items()})
    try:
        found = Device.model_validate(data)
    except ValidationError as error:
        return list(_translated(error, places))
    found._data = data
    return found


def _named(device: Device, name: str) -> Record | str:
    """The record, or why it cannot be told."""
    records = device.named.get(name, [])
    if not records:
        return f"the device has no value called {shown(name)}{did_you_mean(name, device.named)}"
    if len(records) > 1 and all(record.name != name for record in records):
        return f"{len(records)} records of the device could be meant by {name!r}: give one a name"
    return next((record for record in records if record.name == name), records[0])


def _data_with(device: Device, values: Mapping[Path_, object]) -> dict[str, object]:
    """The data of the device file with other values; records that stay as they are already are not checked again."""
    data = {key: each for key, each in device.data.items() if key != "checks"}
    telegrams = list(data["telegrams"])
    for outer in {path[1] for path in values}:
        assert isinstance(outer, int)
        records: list[object] = list(device.telegrams[outer].records)
        for path, value in values.items():
            if path[1] == outer:
                assert isinstance(path[3], int)
                records[path[3]] = {**telegrams[outer]["records"][path[3]], "value": value}
        telegrams[outer] = {**telegrams[outer], "records": records}
    for index, telegram in enumerate(device.telegrams):
        if index not in {path[1] for path in values}:
            telegrams[index] = telegram
    return {**data, "telegrams": telegrams}


def _translated(error: ValidationError, places: Mapping[Path_, str]) -> Iterator[Wrong]:
    for path, text, key in mistakes_in(error, Device):
        real = tuple(part for part in path if not str(part).startswith("<"))
        name = places.get(real[:4])
        if name is not None:
            yield (name, *(real[5:] if real[4:5] == ("value",) else real[4:])), text, key
        else:
            yield (), f"{path_text(real)} of the device: {text}", None
