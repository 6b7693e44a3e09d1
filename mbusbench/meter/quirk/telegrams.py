"""Quirks of what a device file describes: other endings, one telegram more, a record with a unit in plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mbusbench.meter.record_definition import Record
from mbusbench.protocol.slave.security import record_space

if TYPE_CHECKING:
    from mbusbench.meter.definition import Device, TelegramDefinition

_SPACE = 240
_UNIT = b"%RH"
_HUMIDITY = (4564).to_bytes(2, "little")
_DIF, _VIF, _HUNDREDTHS = b"\x02", b"\xfc", b"\x74"


def more_for_nothing(device: Device) -> Device:
    """Each last telegram of a readout ends with 1F, too."""
    telegrams = list(device.telegrams)
    for last in _last_telegrams(device):
        device = _with(device, telegrams)
        if device.telegrams[last].manufacturer_data is None and device.record_bytes(last) >= _space(device):
            moved = telegrams[last].records[-1]
            telegrams[last] = _changed(telegrams[last], records=telegrams[last].records[:-1])
            telegrams.append(_changed(telegrams[last], records=[moved], more_records_follow=True))
        telegrams[last] = _changed(telegrams[last], more_records_follow=True)
    return _with(device, telegrams)


def empty_telegram_last(device: Device) -> Device:
    """Behind the last telegram of the ordinary readout one without records."""
    telegrams = list(more_for_nothing(device).telegrams)
    last = telegrams[device.readout(None)[-1]]
    empty = _changed(last, records=[], manufacturer_data=None, more_records_follow=False)
    return _with(device, [*telegrams, empty])


def plain_text_unit(before: bool, reversed_letters: bool) -> Callable[[Device], Device]:
    """One record more: 45.64 %RH, the unit as plain text before or behind the VIFE."""
    letters = _UNIT[::-1] if reversed_letters else _UNIT
    text = bytes([len(letters)]) + letters
    raw = _DIF + _VIF + (text + _HUNDREDTHS if before else _HUNDREDTHS + text) + _HUMIDITY

    def change(device: Device) -> Device:
        record = Record.model_construct(raw=raw)
        telegrams = list(device.telegrams)
        for index in device.readout(None):
            if telegrams[index].manufacturer_data is None and device.record_bytes(index) + len(raw) <= _space(device):
                telegrams[index] = _changed(telegrams[index], records=[*telegrams[index].records, record])
                return _with(device, telegrams)
        first = telegrams[device.readout(None)[0]]
        alone = _changed(first, records=[record], manufacturer_data=None, more_records_follow=None)
        return _with(device, [*telegrams, alone])

    return change


def _last_telegrams(device: Device) -> list[int]:
    applications = {None, *(each.application for each in device.telegrams)}
    return sorted({device.readout(application)[-1] for application in applications if device.readout(application)})


def _space(device: Device) -> int:
    return _SPACE if device.device.security is None else record_space(device.device.security)


def _changed(telegram: TelegramDefinition, **values: object) -> TelegramDefinition:
    return telegram.model_copy(update=values)


def _with(device: Device, telegrams: Sequence[TelegramDefinition]) -> Device:
    """A new device: a copy would share what was compiled for the old one."""
    values = {name: getattr(device, name) for name in type(device).model_fields}
    return type(device).model_construct(**{**values, "telegrams": list(telegrams)})
