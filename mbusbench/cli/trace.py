"""`mbusbench trace`: what was recorded on a bus, shown, converted, or compared with another record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mbusbench.cli.arguments import key_option
from mbusbench.cli.exit_codes import DONE, METER_FAILED
from mbusbench.cli.output import json_option, message, print_json, print_line

if TYPE_CHECKING:
    from mbusbench.trace.comparison import Comparison
    from mbusbench.trace.event import TraceEvent
    from mbusbench.trace.recorder import Trace

DIFFERENT = METER_FAILED


@click.group(name="trace")
def command() -> None:
    """Show or compare traces: the .jsonl files of `mbusbench serve --trace`."""


@command.command(name="show")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--format",
    "form",
    type=click.Choice(["txt", "exchanges", "jsonl", "pcapng"]),
    default="txt",
    show_default=True,
    help="Frames or exchanges for people, or another file format.",
)
@click.option("--records", is_flag=True, help="Show every record below its frame.")
@click.option("--bytes", "data", is_flag=True, help="Show the bytes below each frame.")
@click.option("--received", is_flag=True, help="Show what arrived at ports where it is as it was sent, too.")
@click.option("--port", type=click.IntRange(1), help="Exchanges as the master at this port saw them.")
@key_option
@json_option
def show(
    file: str,
    *,
    form: str,
    records: bool,
    data: bool,
    received: bool,
    port: int | None,
    key: bytes | None,
    as_json: bool,
) -> None:
    """Show a trace, frame by frame or exchange by exchange, or convert it. - is standard input."""
    from mbusbench.trace.files import JsonlEncoder, encode
    from mbusbench.trace.pcapng import PcapngEncoder
    from mbusbench.trace.text import annotated

    trace = _load(file)
    if form == "exchanges":
        _show_exchanges(trace, port, as_json)
    elif form == "pcapng":
        if sys.stdout.isatty():
            raise click.UsageError("pcapng is binary: send it to a file, or to tshark -r -")
        sys.stdout.buffer.write(encode(trace, PcapngEncoder()))
    elif form == "jsonl" or as_json:
        click.echo(encode(trace, JsonlEncoder()).decode("ascii"), nl=False)
    else:
        for line in annotated(trace, records=records, data=data, received=received, key=key):
            print_line(line)
    if trace.incomplete:
        message(f"{file}: the file ends in the middle of an event")


def _load(name: str) -> Trace:
    from mbusbench.trace.files import load, read

    return read(sys.stdin.buffer, "standard input") if name == "-" else load(Path(name))


def _show_exchanges(trace: Trace, port: int | None, as_json: bool) -> None:
    from mbusbench.trace.analyzer import analyze
    from mbusbench.trace.report import exchange_fields, exchange_lines

    for exchange in analyze(trace.events, port=port):
        if as_json:
            print_json(exchange_fields(exchange))
            continue
        for line in exchange_lines(exchange):
            print_line(line)


@command.command(name="diff")
@click.argument("first")
@click.argument("second")
@click.option("--ignore-times", is_flag=True, help="Frames and their order count, not when they came.")
@click.option("--ignore-values", is_flag=True, help="Telegrams may differ in values and access numbers.")
@json_option
def diff(first: str, second: str, ignore_times: bool, ignore_values: bool, as_json: bool) -> int:
    """Compare two traces. Exit code 0: the same, 1: different, 2: one of them cannot be read."""
    from mbusbench.trace.comparison import compare

    found = compare(_load(first), _load(second), ignore_times=ignore_times, ignore_values=ignore_values)
    if as_json:
        print_json(_comparison_fields(found))
    else:
        unit = "frames" if ignore_times or ignore_values else "events"
        _print_comparison(found, first, second, unit)
    return DONE if found.same else DIFFERENT


def _comparison_fields(found: Comparison) -> dict[str, Any]:
    difference = found.difference
    return {
        "same": found.same,
        "header": list(found.header),
        "counts": list(found.counts),
        "only_in": [found.only_in_first, found.only_in_second],
        "index": None if difference is None else difference.index,
        "fields": [] if difference is None else list(difference.fields),
        "events": None if difference is None else [_event_fields(difference.first), _event_fields(difference.second)],
    }


def _event_fields(event: TraceEvent | None) -> dict[str, Any] | None:
    import json

    from mbusbench.trace.jsonl import encode_event

    fields: dict[str, Any] | None = None if event is None else json.loads(encode_event(event))
    return fields


def _print_comparison(found: Comparison, first: str, second: str, unit: str) -> None:
    if found.same:
        print_line(f"the same: {found.counts[0]} {unit}")
        return
    if found.header:
        print_line(f"the headers differ in {', '.join(found.header)}")
    difference = found.difference
    if difference is None:
        print_line(f"all {found.counts[0]} {unit} are the same")
        return
    what = f" in {', '.join(difference.fields)}" if difference.fields else ""
    print_line(f"the first {difference.index} {unit} are the same, the next one differs{what}")
    for sign, event in (("<", difference.first), (">", difference.second)):
        for line in ["(the end)"] if event is None else _shown(event):
            print_line(f"{sign} {line}")
    for name, count, only in zip(
        (first, second), found.counts, (found.only_in_first, found.only_in_second), strict=True
    ):
        print_line(f"{name}: {count} {unit}, {only} of them not in the other")


def _shown(event: TraceEvent) -> list[str]:
    from mbusbench.trace.text import Annotator

    annotator = Annotator(received=True, data=True)
    return annotator.lines(event) + annotator.finish()
