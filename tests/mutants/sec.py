"""Masters that are wrong about secondary addresses: selections, and the search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mbusbench.codec.address import BROADCAST_REPLY, SecondaryAddress
from mbusbench.codec.control_field import FCB
from mbusbench.codec.frame import LongFrame
from mbusbench.errors import MBusUsageError
from mbusbench.master import master, target
from mbusbench.protocol import master_link
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.outcome import Failure, FailureKind, Outcome, Silence
from mbusbench.protocol.procedures import Procedure, readout, select
from mbusbench.protocol.procedures.search import ask, split, walk
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.links import long_frame, reading_loosely
from tests.mutants.making import Making, lying, patched, together, with_options

Select = Callable[[SecondaryAddress, MasterFcb], Procedure[Failure | None]]
Change = Callable[[Exchange], Exchange | Outcome]

_encode = SecondaryAddress.encode
_select = select.select
_ask = ask.ask
_events = walk.Search.events
_parse_target = target.parse_target
_SILENT = Silence(1)


def selecting_by(procedure: Select) -> Making:
    """With another procedure for selections."""
    return together(patched(readout, select=procedure), patched(master, select=procedure))


def selecting_with(change: Change) -> Making:
    """With exchanges of a selection that are others, or that come to an outcome without being done."""

    def changed(mask: SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure | None]:
        procedure = _select(mask, fcb)
        outcome: Outcome | None = None
        while True:
            try:
                exchange = procedure.send(outcome)  # type: ignore[arg-type]
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            wanted = change(exchange)
            outcome = (yield wanted) if isinstance(wanted, Exchange) else wanted

    return selecting_by(changed)


def _is_selection(exchange: Exchange) -> bool:
    return isinstance(exchange.request, LongFrame)


def _not_with(bit: int) -> Change:
    def change(exchange: Exchange) -> Exchange | Outcome:
        skipped = _is_selection(exchange) and bool(exchange.request.control & FCB) == bool(bit)
        return _SILENT if skipped else exchange

    return change


def _without_a_deselection(exchange: Exchange) -> Exchange | Outcome:
    return exchange if _is_selection(exchange) else _SILENT


def _one_acknowledge_is_enough(exchange: Exchange) -> Exchange:
    return replace(exchange, alone=False) if _is_selection(exchange) else exchange


def _six_times(exchange: Exchange) -> Exchange:
    return replace(exchange, attempts=6) if _is_selection(exchange) else exchange


def _in_spite_of_silence(mask: SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure | None]:
    yield from _select(mask, fcb)
    fcb.reset(253)
    return None


def _deselection_has_to_be_acknowledged(mask: SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure | None]:
    procedure = _select(mask, fcb)
    outcome = yield next(procedure)
    if type(outcome) is Silence:
        return Failure(FailureKind.NO_ANSWER, "deselection")
    try:
        exchange = procedure.send(outcome)
        while True:
            exchange = procedure.send((yield exchange))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _deselecting_after(mask: SecondaryAddress, fcb: MasterFcb) -> Procedure[Failure | None]:
    failed = yield from _select(mask, fcb)
    yield ask.DESELECT
    return failed


def _by_identification(mask: SecondaryAddress) -> Callable[[LongFrame], bool]:
    return select.sent_by(SecondaryAddress(mask.identification))


def _most_significant_byte_first(address: SecondaryAddress) -> bytes:
    data = _encode(address)
    return data[3::-1] + data[4:]


def _manufacturer_swapped(address: SecondaryAddress) -> bytes:
    data = _encode(address)
    return data[:4] + data[5:3:-1] + data[6:]


def _version_and_type_swapped(address: SecondaryAddress) -> bytes:
    data = _encode(address)
    return data[:6] + data[:5:-1]


def _without_letters(address: SecondaryAddress) -> bytes:
    return _encode(replace(address, identification=address.identification.replace("E", "0")))


def _decimal_only(address: target.Address) -> int | SecondaryAddress:
    found = _parse_target(address)
    if isinstance(found, SecondaryAddress) and set(found.identification) & set("ABCDE"):
        raise MBusUsageError(f"{address} is no identification number")
    return found


def _whole_frame(data: bytes) -> LongFrame | None:
    whole = len(data) > 20 and data[0] == data[3] == 0x68 and data[1] == data[2] and len(data) == data[1] + 6
    return long_frame(data) if whole else None


def _called_complete(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"more": False}) if meter.ok else meter for meter in meters]


def _part_is_enough(source: readout.Source, prepare: readout.Prepare, most: int) -> Procedure[readout.Readout]:
    unprepared = yield from prepare()
    if unprepared is not None:
        return readout.Readout(source.address, (), unprepared)
    result = yield from readout._telegrams(source, most)
    return replace(result, failure=None) if result.telegrams else result


def _asking(answer: Callable[[ask.Answer], ask.Answer]) -> Making:
    """A search to which each question's answer looks another way."""

    def changed(*arguments: object, **options: object) -> Procedure[tuple[ask.Answer, int]]:
        found, used = yield from _ask(*arguments, **options)  # type: ignore[arg-type]
        return answer(found), used

    return patched(walk, ask=changed)


def _several_are_nobody(answer: ask.Answer) -> ask.Answer:
    return ask.NOBODY_ANSWERS if answer.finding is ask.Finding.SEVERAL else answer


def _search_without_reset(search: walk.Search) -> walk.Walk:
    walked = _events(search)
    next(walked)
    next(walked)
    yield from walked


def _no_descent(search: walk.Search, node: object) -> walk.Walk:
    return
    yield


def _no_look(search: walk.Search, node: object) -> Procedure[object]:
    return node
    yield


def _as_found(meters: list[MeterReport]) -> list[MeterReport]:
    ghost = MeterReport(ok=True, secondary="0FFFFFFFFFFFFFFF")
    return meters or [ghost]


def _without_letters_in_it(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter for meter in meters if "E" not in (meter.secondary or "")[:8]]


def _twice(meters: list[MeterReport]) -> list[MeterReport]:
    return [*meters, *meters[:1]] if len(meters) > 1 else meters


def _another_digit(meters: list[MeterReport]) -> list[MeterReport]:
    return [
        meter.model_copy(update={"secondary": (meter.secondary or "").replace("0500023E", "05000236")})
        for meter in meters
    ]


def _only_the_mask(meters: list[MeterReport]) -> list[MeterReport]:
    return [
        meter.model_copy(update={"secondary": f"{meter.secondary[:8]}FFFFFFFF"})
        if meter.secondary and len(meters) > 1
        else meter
        for meter in meters
    ]


MUTANTS = [
    Mutant(
        "MUT-SEC-SEL-01a",
        "SEC-SEL-01",
        "sends the identification with the most significant byte first",
        Column.WIRE,
        patched(SecondaryAddress, encode=_most_significant_byte_first),
    ),
    Mutant(
        "MUT-SEC-SEL-01b",
        "SEC-SEL-01",
        "swaps the bytes of the manufacturer",
        Column.WIRE,
        patched(SecondaryAddress, encode=_manufacturer_swapped),
    ),
    Mutant(
        "MUT-SEC-SEL-01c",
        "SEC-SEL-01",
        "swaps version and device type",
        Column.WIRE,
        patched(SecondaryAddress, encode=_version_and_type_swapped),
    ),
    Mutant(
        "MUT-SEC-SEL-01d",
        "SEC-SEL-01",
        "does not deselect before",
        Column.WIRE,
        selecting_with(_without_a_deselection),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SEL-01e",
        "SEC-SEL-01",
        "does not leave the meter selected",
        Column.WIRE,
        patched(master, select=_deselecting_after),
    ),
    Mutant(
        "MUT-SEC-SEL-02a",
        "SEC-SEL-02",
        "selects with 73 only",
        Column.REPORT,
        selecting_with(_not_with(0)),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SEL-02b",
        "SEC-SEL-02",
        "selects with 53 only",
        Column.REPORT,
        selecting_with(_not_with(1)),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SEL-03a",
        "SEC-SEL-03",
        "reads without an acknowledge",
        Column.WIRE,
        selecting_by(_in_spite_of_silence),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SEL-03b",
        "SEC-SEL-03",
        "repeats a selection five times",
        Column.WIRE,
        together(selecting_with(_six_times), with_options(retries=5)),
    ),
    Mutant(
        "MUT-SEC-SEL-03c",
        "SEC-SEL-03",
        "selects whoever is there",
        Column.WIRE,
        patched(SecondaryAddress, encode=lambda _: b"\xff" * 8),
    ),
    Mutant(
        "MUT-SEC-SEL-04a",
        "SEC-SEL-04",
        "does not look at the header",
        Column.REPORT,
        patched(readout, sent_by=lambda _: None),
    ),
    Mutant(
        "MUT-SEC-SEL-04b",
        "SEC-SEL-04",
        "looks at the identification in the header only",
        Column.REPORT,
        patched(readout, sent_by=_by_identification),
    ),
    Mutant(
        "MUT-SEC-SEL-05a",
        "SEC-SEL-05",
        "an answer to 253 must come from 253",
        Column.REPORT,
        patched(master_link, _ANY_ADDRESS=(BROADCAST_REPLY,)),
    ),
    Mutant(
        "MUT-SEC-SEL-05b",
        "SEC-SEL-05",
        "a deselection has to be acknowledged",
        Column.REPORT,
        selecting_by(_deselection_has_to_be_acknowledged),
    ),
    Mutant(
        "MUT-SEC-SEL-06a",
        "SEC-SEL-06",
        "takes two acknowledges for one",
        Column.REPORT,
        selecting_with(_one_acknowledge_is_enough),
    ),
    Mutant(
        "MUT-SEC-SEL-06b",
        "SEC-SEL-06",
        "takes what two meters sent at once",
        Column.REPORT,
        reading_loosely(_whole_frame),
    ),
    Mutant(
        "MUT-SEC-SEL-07a",
        "SEC-SEL-07",
        "knows decimal digits only",
        Column.REPORT,
        patched(master, parse_target=_decimal_only),
    ),
    Mutant(
        "MUT-SEC-SEL-07b",
        "SEC-SEL-07",
        "takes a letter for 0",
        Column.WIRE,
        patched(SecondaryAddress, encode=_without_letters),
    ),
    Mutant(
        "MUT-SEC-SEL-08a",
        "SEC-SEL-08",
        "never selects again",
        Column.REPORT,
        patched(readout, _may_be_an_accident=lambda *of: False),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SEL-08b",
        "SEC-SEL-08",
        "calls a part all there is",
        Column.REPORT,
        together(patched(readout, _with_restart=_part_is_enough), lying(_called_complete)),
    ),
    Mutant("MUT-SEC-SRC-01a", "SEC-SRC-01", "stops at the first", Column.REPORT, lying(lambda meters: meters[:1])),
    Mutant(
        "MUT-SEC-SRC-01b",
        "SEC-SRC-01",
        "does not descend",
        Column.REPORT,
        patched(walk.Search, _resolve=_no_descent),
    ),
    Mutant(
        "MUT-SEC-SRC-01c",
        "SEC-SRC-01",
        "deselects nobody before",
        Column.WIRE,
        patched(walk.Search, events=_search_without_reset),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-SEC-SRC-01d", "SEC-SRC-01", "tells a meter twice", Column.REPORT, lying(_twice)),
    Mutant("MUT-SEC-SRC-01e", "SEC-SRC-01", "tells masks for addresses", Column.REPORT, lying(_only_the_mask)),
    Mutant(
        "MUT-SEC-SRC-02a",
        "SEC-SRC-02",
        "stops at eight digits and says so",
        Column.REPORT,
        together(
            patched(split, _BEHIND_DIGITS=()),
            patched(walk.Search, _try_manufacturers=_no_descent, _look=_no_look),
        ),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-SEC-SRC-02b",
        "SEC-SRC-02",
        "stops at the first of them",
        Column.REPORT,
        lying(lambda meters: meters[:1]),
    ),
    Mutant(
        "MUT-SEC-SRC-03a",
        "SEC-SRC-03",
        "tries the digits 0 to 9",
        Column.REPORT,
        lying(_without_letters_in_it),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-SEC-SRC-03b", "SEC-SRC-03", "takes a letter for a digit", Column.REPORT, lying(_another_digit)),
    Mutant("MUT-SEC-SRC-04", "SEC-SRC-04", "damaged data are nobody's", Column.REPORT, _asking(_several_are_nobody)),
    Mutant("MUT-SEC-SRC-05", "SEC-SRC-05", "asks for each mask once", Column.REPORT, patched(ask, SILENCES=1)),
    Mutant("MUT-SEC-SRC-06a", "SEC-SRC-06", "takes a mask for an address", Column.REPORT, lying(_as_found)),
    Mutant(
        "MUT-SEC-SRC-06b",
        "SEC-SRC-06",
        "asks for each mask eight times",
        Column.WIRE,
        together(patched(ask, SILENCES=8, MOST_SELECTIONS=8), patched(walk, SILENCES=8, MOST_SELECTIONS=8)),
    ),
]
