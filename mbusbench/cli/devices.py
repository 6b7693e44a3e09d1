"""`mbusbench devices`: the catalogue as a table, and one device with the values that it sends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import json_option, message, print_json, print_line, print_table

if TYPE_CHECKING:
    from mbusbench.master.results import MBusSlaveRecord
    from mbusbench.meter.catalogue import Outline
    from mbusbench.meter.definition import Device

_COLUMNS = ("device", "manufacturer", "medium", "telegrams", "records", "confidence", "description")
_HEADING = (
    *("device", "description", "manufacturer", "medium", "version", "address", "serial_number", "baud"),
    *("source", "confidence"),
)


@click.group(name="devices", invoke_without_command=True)
@click.option("--manufacturer", metavar="NAME", help="Only those of a maker: KAM, or kamstrup as in the device's name.")
@click.option("--medium", metavar="WORD", help="Only media with this word in their name: heat, water, electricity.")
@click.option("--text", metavar="WORDS", help="Only those with all these words in name, description or source.")
@json_option
@click.pass_context
def command(
    context: click.Context, manufacturer: str | None, medium: str | None, text: str | None, as_json: bool
) -> int | None:
    """List the catalogue of meters, or show one."""
    if context.invoked_subcommand is not None:
        return None
    from mbusbench.meter import catalogue

    rows = [_summary(name, catalogue.outline(name)) for name in catalogue.names()]
    found = [row for row in rows if _is_wanted(row, manufacturer, medium, text)]
    if not found:
        message(f"mbusbench: none of the {len(rows)} devices is like that")
        return METER_FAILED
    if as_json:
        for row in found:
            print_json(row)
        return DONE
    print_table(
        _COLUMNS,
        [
            tuple(_first_sentence(row[key] or "") if key == "description" else row[key] for key in _COLUMNS)
            for row in found
        ],
        right=("telegrams", "records"),
    )
    return DONE


@command.command(name="show")
@click.argument("name", metavar="DEVICE|FILE")
@click.option("--at", "time", default="0s", metavar="DURATION", help="So long after the bus began: 90s, 12h, 30d.")
@json_option
def show(name: str, time: str, as_json: bool) -> None:
    """Show what one device sends: a name of the catalogue, or a device file."""
    from mbusbench.definition.fields import duration
    from mbusbench.meter import catalogue

    now = duration(time)
    if now is None:
        raise click.BadParameter(f"{time} is not a duration such as 90s, 12h or 30d", param_hint="--at")
    device = catalogue.load(name)
    summary = _summary(name, catalogue.Outline.of(device))
    records = _records(device, now)
    if as_json:
        print_json({**summary, "record_list": [_fields(record) for record in records]})
        return
    for key in _HEADING:
        value = summary[key]
        if value is not None:
            print_line(
                f"{key.replace('_', ' ') + ':':<15}{', '.join(map(str, value)) if isinstance(value, list) else value}"
            )
    print_line()
    print_table(
        ("telegram", "record", "value", "unit", "storage", "tariff", "subunit", "function", "dib", "vib"),
        [_row(record) for record in records],
        right=("telegram", "value", "storage", "tariff", "subunit"),
    )


def _is_wanted(row: dict[str, Any], manufacturer: str | None, medium: str | None, text: str | None) -> bool:
    maker = row["device"].partition("/")[0]
    if manufacturer is not None and manufacturer.lower() not in {row["manufacturer"].lower(), maker}:
        return False
    if medium is not None and medium.lower() not in row["medium"]:
        return False
    place = f"{row['device']} {row['description']} {row['source']}".lower()
    return all(word in place for word in (text or "").lower().split())


def _first_sentence(text: str) -> str:
    return re.split(r"[.;] ", " ".join(text.split()))[0].rstrip(".")


def _summary(name: str, outline: Outline) -> dict[str, Any]:
    from mbusbench.codec import device_type
    from mbusbench.codec.address import manufacturer_letters

    own = outline.header
    return {
        "device": name,
        "manufacturer": manufacturer_letters(own.manufacturer),
        "medium": device_type.name(own.medium),
        "version": own.version,
        "serial_number": own.id,
        "address": own.address,
        "baud": list(own.baud),
        "telegrams": outline.telegrams,
        "records": outline.records,
        "description": outline.description,
        "source": outline.source,
        "confidence": outline.confidence.value if outline.confidence is not None else None,
    }


def _records(device: Device, now: int) -> tuple[MBusSlaveRecord, ...]:
    """What each telegram of the file means, as a meter that has just been put on a bus sends it at `now`."""
    from mbusbench.codec.telegram import decode_telegram
    from mbusbench.master.results import slave_data
    from mbusbench.meter.checks import telegram_at

    frames = [telegram_at(device, number, now) for number in range(1, len(device.telegrams) + 1)]
    telegrams = [decode_telegram(frame, key=device.device.key) for frame in frames]
    return slave_data(telegrams, device.device.address, None).records


def _fields(record: MBusSlaveRecord) -> dict[str, Any]:
    names = ("telegram", "quantity", "description", "value", "unit", "storage_number", "tariff", "device_unit")
    return record.model_dump(mode="json", include={*names, "function", "dib", "vib"})


def _row(record: MBusSlaveRecord) -> tuple[object, ...]:
    from mbusbench.cli.readings import value_text

    return (
        record.telegram + 1,
        record.description,
        value_text(record.value),
        record.unit,
        record.storage_number or None,
        record.tariff or None,
        record.device_unit or None,
        None if record.function == "instantaneous" else record.function.value,
        record.dib,
        record.vib,
    )
