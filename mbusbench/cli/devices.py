"""`mbusbench devices`: the catalogue as a table, and one device in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.output import json_option, print_json, print_line, print_table

if TYPE_CHECKING:
    from mbusbench.meter.definition import Device
    from mbusbench.meter.record_definition import Record


@click.group(name="devices", invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the catalogue of meters, or show one."""
    if context.invoked_subcommand is not None:
        return
    from mbusbench.meter import catalogue

    rows = [_summary(name, catalogue.load(name)) for name in catalogue.names()]
    if as_json:
        for row in rows:
            print_json(row)
        return
    print_table(
        ("device", "manufacturer", "medium", "version", "telegrams", "records", "description"),
        [
            (
                row["device"],
                row["manufacturer"],
                row["medium"],
                row["version"],
                row["telegrams"],
                row["records"],
                _first_sentence(row["description"] or ""),
            )
            for row in rows
        ],
        right=("version", "telegrams", "records"),
    )


@command.command(name="show")
@click.argument("name", metavar="DEVICE|FILE")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one device: a name of the catalogue, or a device file."""
    from mbusbench.meter import catalogue

    device = catalogue.load(name)
    summary = _summary(name, device)
    if as_json:
        print_json({**summary, "record_list": [_record(int(path[1]), record) for path, record in device.each_record()]})
        return
    for key in (
        "device",
        "description",
        "manufacturer",
        "medium",
        "version",
        "address",
        "serial_number",
        "baud",
        "source",
    ):
        value = summary[key]
        if value is not None:
            print_line(
                f"{key.replace('_', ' ') + ':':<15}{', '.join(map(str, value)) if isinstance(value, list) else value}"
            )
    print_line()
    rows = [_record(int(path[1]), record) for path, record in device.each_record()]
    print_table(
        ("telegram", "quantity", "unit", "storage", "tariff", "subunit", "function", "dib", "vib"),
        [
            (
                row["telegram"],
                row["quantity"],
                row["unit"],
                row["storage_number"] or None,
                row["tariff"] or None,
                row["device_unit"] or None,
                None if row["function"] == "instantaneous" else row["function"],
                row["dib"],
                row["vib"],
            )
            for row in rows
        ],
        right=("telegram", "storage", "tariff", "subunit"),
    )


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".")


def _summary(name: str, device: Device) -> dict[str, Any]:
    from mbusbench.codec import device_type
    from mbusbench.codec.address import manufacturer_letters

    own = device.device
    return {
        "device": name,
        "manufacturer": manufacturer_letters(own.manufacturer),
        "medium": device_type.name(own.medium),
        "version": own.version,
        "serial_number": own.id,
        "address": own.address,
        "baud": list(own.baud),
        "telegrams": len(device.telegrams),
        "records": sum(len(telegram.records) for telegram in device.telegrams),
        "description": device.description,
        "source": device.source,
        "confidence": device.confidence.value if device.confidence is not None else None,
    }


def _record(telegram: int, record: Record) -> dict[str, Any]:
    from mbusbench.codec.dib import DataInformationBlock
    from mbusbench.codec.vib import ValueInformationBlock

    if record.raw is not None:
        dib = DataInformationBlock.decode(record.raw)
        vib = ValueInformationBlock.decode(record.raw, len(dib.raw))
    else:
        dib, vib = record.dib_block, record.vib_block
    return {
        "telegram": telegram,
        "quantity": vib.quantity,
        "unit": vib.unit,
        "storage_number": dib.storage_number,
        "tariff": dib.tariff,
        "device_unit": dib.subunit,
        "function": dib.function.name.lower(),
        "dib": dib.raw.hex(),
        "vib": vib.raw.hex(),
    }
