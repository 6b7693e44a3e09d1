"""The named quirks: one row each, with what it does, who is publicly known for it, and its options.

Sources are issues of open projects (project#number), recorded telegrams, manuals, or The M-Bus 4.8. Where a
manufacturer is named, at least one of his devices does it; not all do.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator

from mbusbench.codec.control_field import ACD
from mbusbench.definition.fields import Byte, Duration, HexBytes, in_range, one_of
from mbusbench.definition.validation import mistake, shown
from mbusbench.line.answer_faults import Late
from mbusbench.line.effect import Effect
from mbusbench.line.faults import Gaps, Leading, Trailing, Truncate
from mbusbench.line.frame_faults import WrongLength
from mbusbench.meter.quirk.quirk import NO_SOURCE, Change, OnTheWire, Quirk, quirk
from mbusbench.meter.quirk.telegrams import empty_telegram_last, more_for_nothing, plain_text_unit
from mbusbench.protocol.fcb import FcbMode
from mbusbench.protocol.slave import quirk_answers as answers
from mbusbench.protocol.slave import quirk_requests as requests
from mbusbench.protocol.slave.quirk import SlaveQuirk
from mbusbench.protocol.slave.settings import (
    AccessNumber,
    Acknowledgement,
    AfterLast,
    Answer,
    FcbPaths,
    ReadoutCredit,
    Repeat,
    Spent,
)


class Place(Enum):
    BEFORE = "before"
    BEHIND = "behind"


class Letters(Enum):
    LAST_FIRST = "last_first"  # as the standard wants it
    FIRST_FIRST = "first_first"


class SelectionCode(Enum):
    WITHOUT_FCB = "53"
    WITH_FCB = "73"


def _some_time(value: int) -> int:
    if not value:
        raise mistake("0 is no time")
    return value


def _code(value: object) -> SelectionCode:
    for code in SelectionCode:
        if value in (code.value, int(code.value, 16)):
            return code
    raise mistake(f"{shown(value)} is not one of 0x53, 0x73")


Count = Annotated[int, in_range(1, 1000)]
Time = Annotated[Duration, AfterValidator(_some_time)]
SomeBytes = Annotated[HexBytes, Field(min_length=1, max_length=16)]
Nibble = Annotated[int, in_range(0xA, 0xE, hexadecimal=True)]


def _settings(**settings: Any) -> Change:
    return Change(settings=settings)


def _piece(make: Callable[..., SlaveQuirk]) -> Callable[..., Change]:
    """A piece of the slave that takes the row's options."""
    return lambda **options: Change(pieces=(lambda: make(**options),))


def _wire(make: Callable[..., tuple[Effect, ...]]) -> Callable[..., Change]:
    """Effects on telegrams that take the row's options, `every` apart."""
    return lambda every=1, **options: Change(wire=OnTheWire(make(**options), every=every))


def _hex_digit(digit: int) -> Change:
    return Change(identity=lambda own: bytes([own[0] & 0xF0 | digit]) + own[1:])


def _credit(spent: Spent) -> Callable[..., Change]:
    return lambda readouts, per: _settings(readout_credit=ReadoutCredit(readouts, per, spent))


def _next_id(own: bytes) -> bytes:
    """A second meter: the lowest digit of its identification number is another."""
    return bytes([own[0] ^ 0x01]) + own[1:]


def _plain_text(place: Place, letters: Letters) -> Change:
    return Change(device=plain_text_unit(place is Place.BEFORE, letters is Letters.LAST_FIRST))


def _selection_code(control: SelectionCode) -> Change:
    return _piece(requests.OneSelectionCode)(control=int(control.value, 16))


def _control(bits: int | None = None) -> Callable[..., Change]:
    if bits is not None:
        return lambda: Change(pieces=(lambda: answers.ControlField(bits=bits),))
    return lambda value: Change(pieces=(lambda: answers.ControlField(value),))


_FCB = (
    quirk(
        "fcb_ignored",
        "The frame count bit means nothing: every request gets the next telegram.",
        "allowed by EN 13757-2 for slaves with one telegram, and met in many of them",
        _settings(fcb=FcbMode.IGNORE),
    ),
    quirk(
        "fcb_stuck",
        "After so many telegrams the last of them comes again and again, link resets included.",
        NO_SOURCE,
        _piece(answers.StuckTelegram),
        "fcb",
        after=(Count, 1),
    ),
    quirk(
        "fcb_shared",
        "The own address and 253 have one memory of the frame count bit.",
        "ABB A43 (manual)",
        _settings(fcb_paths=FcbPaths.SHARED),
    ),
    quirk(
        "repeats_second_telegram",
        "From its second telegram on it sends that one for ever, with new access numbers, until SND_NKE.",
        "wmbusmeters#1118 and PR 1286 (IME)",
        lambda after: _piece(answers.StuckTelegram)(after=after, until_reset=True, renumbered=True),
        "fcb",
        "repeat",
        after=(Count, 2),
    ),
    quirk(
        "repeat_renumbered",
        "The answer to a repeated request has a new access number.",
        "wmbusmeters PR 1286 (IME)",
        _settings(repeat=Repeat.RENUMBERED),
    ),
    quirk(
        "repeat_refreshed",
        "The answer to a repeated request has the values of now.",
        "ABB A43 (manual)",
        _settings(repeat=Repeat.REFRESHED),
    ),
    quirk(
        "repeats_last_telegram",
        "After the last telegram of a readout that one again.",
        "wmbusmeters#957 (IME Nemo, Conto)",
        _settings(after_last=AfterLast.REPEAT),
    ),
    quirk(
        "acknowledges_after_last",
        "After the last telegram of a readout E5 until SND_NKE.",
        "The M-Bus 4.8, 6.4 allows it",
        _settings(after_last=AfterLast.ACKNOWLEDGE),
    ),
    quirk(
        "access_number_constant",
        "The access number never changes.",
        "recorded telegrams of Landis+Gyr Ultraheat XS and of some Kamstrup meters",
        _settings(access_number=AccessNumber.NEVER),
    ),
    quirk(
        "access_number_per_readout",
        "All telegrams of a readout have one access number.",
        "recorded telegrams of NZR DHZ",
        _settings(access_number=AccessNumber.READOUT),
    ),
)

_POWER = (
    quirk(
        "two_resets_needed",
        "Silent after power-up until the second SND_NKE (or another `count`).",
        "libmbus#84 (Gossen Metrawatt U189)",
        _piece(requests.ResetsNeeded),
        count=(Annotated[int, in_range(1, 100)], 2),
    ),
    quirk(
        "mute_until_addressed",
        "Silent after power-up, to 253 and 254 too, until a frame to its own address.",
        "libmbus#84 (Gossen Metrawatt U189)",
        _piece(requests.MuteUntilAddressed),
    ),
    quirk(
        "first_frame_missed",
        "The first frame after power-up is not heard (or the first `count`).",
        "libmbus#84 (Gossen Metrawatt U189)",
        _piece(requests.FirstFramesMissed),
        "missed_after_power_up",
        count=(Count, 1),
    ),
    quirk(
        "long_start_up",
        "Nothing is heard for some time after power-up.",
        "Qundis (manual: about 2 minutes)",
        _piece(requests.SilentAfterPowerUp),
        "start_up",
        duration=(Time, "2min"),
    ),
    quirk(
        "missed_after_idle",
        "The first frame after a long pause is not heard.",
        "wmbusmeters#435; libmbus sends SND_NKE twice for it",
        lambda idle: _settings(missed_after_idle=idle),
        idle=(Time, "1min"),
    ),
    quirk(
        "wake_up_needed",
        "Asleep until so many characters came that are no frame, and again after a pause of `awake`.",
        "pyMeterBus#11 (about 200 characters 00)",
        _piece(requests.WakeUpNeeded),
        count=(Count, 100),
        awake=(Time, "4s"),
    ),
    quirk(
        "silent_after_reads",
        "A battery's credit: silence after so many readouts in a period.",
        "Qundis (manual: 5 or 45 a day); libmbus#204 (ista sensonic 3)",
        _credit(Spent.SILENCE),
        readouts=(Count, 5),
        per=(Time, "1d"),
    ),
    quirk(
        "error_after_reads",
        "A battery's credit: application error 09 after so many readouts in a period.",
        "The M-Bus 4.8, 6.6",
        _credit(Spent.ERROR),
        readouts=(Count, 5),
        per=(Time, "1d"),
    ),
)

_TIMING = (
    quirk(
        "slow",
        "Answers start so late.",
        "libmbus#124 (GWF UniCoder, above 0.2 s); libmbus#121 (Wehrle Modularis, above 1 s)",
        lambda delay: Change(response_delay=(delay, delay)),
        "response_delay",
        delay=(Time, "1200ms"),
    ),
    quirk(
        "slow_after_idle",
        "The first answer after a pause of `idle` starts so much later.",
        NO_SOURCE,
        _piece(requests.SlowAfterIdle),
        delay=(Time, "3s"),
        idle=(Time, "1min"),
    ),
    quirk(
        "late",
        "Answers start so long after the last legal moment, when the master repeats.",
        "libmbus#207",
        _wire(lambda by: (Late(by),)),
        "response_delay",
        by=(Duration, "50ms"),
        every=(Count, 1),
    ),
    quirk(
        "pause_needed",
        "A request that comes too soon behind the one before is not heard.",
        "libmbus#145 (Diehl Sharky)",
        _piece(requests.PauseNeeded),
        pause=(Time, "300ms"),
    ),
)

_ADDRESSING = (
    quirk(
        "no_test_address",
        "No answer to 254.",
        "emonMbus#1 (BMeters Hydrocal M3)",
        _settings(test_address=False),
    ),
    quirk(
        "no_primary_addressing",
        "Heard after selection by its secondary address only.",
        "wmbusmeters#669",
        _piece(requests.NoPrimaryAddressing),
        "reach",
    ),
    quirk(
        "address_fixed",
        "A new primary address is acknowledged, and not taken.",
        "Qundis (manual: stays 0)",
        _piece(requests.AddressFixed),
    ),
    quirk(
        "answers_as_253",
        "Answers to 253 have A = FD.",
        "recorded telegrams of Landis & Staefa",
        _settings(selected_reply_address=253),
    ),
    quirk(
        "answers_as_0",
        "Answers to 253 have A = 00.",
        "libmbus#61 (Wehrle Modularis); recorded telegrams of Zenner zelsius",
        _settings(selected_reply_address=0),
    ),
    quirk(
        "answers_always_as",
        "All answers to the own address have one A, whatever that is.",
        "recorded telegrams: FD (Techem, Elster), 08 instead of 01 (node-mbus)",
        lambda address: _settings(reply_address=address),
        address=(Byte, 253),
    ),
    quirk(
        "hex_id",
        "The identification number ends with a hexadecimal digit.",
        "recorded telegrams of Saia ALE3 and AWD3; libmbus#73 (EMU)",
        _hex_digit,
        "the identification number",
        digit=(Nibble, 0xE),
    ),
    quirk(
        "id_reversed",
        "The bytes of the identification number are in reverse order.",
        "published examples of Tecson and ABB DELTA",
        Change(identity=lambda own: own[3::-1] + own[4:]),
        "the identification number",
    ),
    quirk(
        "manufacturer_empty",
        "The manufacturer is 0000.",
        "a recorded telegram of a mode 2 meter",
        Change(identity=lambda own: own[:4] + b"\x00\x00" + own[6:]),
    ),
    quirk(
        "two_in_one_housing",
        "Two meters with one primary address: their answers collide, their secondary addresses tell them apart.",
        "emonMbus#1 (BMeters Hydrocal M3: heat and cooling)",
        Change(second=_next_id),
        "the number of meters",
    ),
    quirk(
        "two_in_turn",
        "Two meters with one primary address that answer in turn, a whole readout each.",
        NO_SOURCE,
        Change(pieces=(answers.TwoInTurn,)),
        "the number of meters",
        "the identification number",
    ),
)

_SELECTION = (
    quirk(
        "reset_to_253_unanswered",
        "SND_NKE to 253 is done, and not acknowledged.",
        "Eastron SDM (manual)",
        _settings(selected_reset=Answer.SILENCE),
    ),
    quirk(
        "selection_leads_nowhere",
        "A selection is acknowledged, requests to 253 are not heard all the same.",
        "libmbus#88",
        _piece(requests.SelectionLeadsNowhere),
        "selection",
    ),
    quirk(
        "wildcards_unknown",
        "Only the whole secondary address selects.",
        NO_SOURCE,
        _piece(requests.WildcardsUnknown),
        "exact_selection",
    ),
    quirk(
        "exact_selection_unanswered",
        "Only masks with a wildcard select.",
        "wmbusmeters#1145 (Kamstrup); libmbus#61 (Wehrle Modularis)",
        _settings(exact_selection=False),
    ),
    quirk(
        "one_selection_code",
        "Selections are heard with one C field only.",
        "wmbusmeters#435 (53 only)",
        _selection_code,
        control=(Annotated[SelectionCode, PlainValidator(_code)], "53"),
    ),
    quirk(
        "short_masks",
        "Masks of 0 to 7 bytes select; what is missing is a wildcard.",
        "Elvaco CMeX50 (manual)",
        _settings(short_masks=True),
    ),
)

_COMMANDS = (
    quirk(
        "reset_unanswered",
        "SND_NKE is done, and not acknowledged.",
        NO_SOURCE,
        _piece(requests.ResetUnanswered),
        "selected_reset",
    ),
    quirk(
        "reset_keeps_place",
        "SND_NKE does not go back to the first telegram.",
        "libmbus#180 (Sontex, Zenner C5)",
        _piece(requests.ResetKeepsPlace),
    ),
    quirk(
        "requests_unanswered",
        "SND_NKE is acknowledged, REQ_UD2 is not heard.",
        NO_SOURCE,
        _piece(requests.RequestsUnanswered),
        "selection",
    ),
    quirk(
        "commands_unanswered",
        "SND_UD is neither done nor acknowledged; selections are.",
        NO_SOURCE,
        _piece(requests.CommandsUnanswered),
        "commands",
    ),
    quirk(
        "commands_ignored",
        "SND_UD is acknowledged, and not done.",
        NO_SOURCE,
        _piece(requests.CommandsIgnored),
        "commands",
    ),
    quirk(
        "acknowledges_with_frame",
        "10 00 A CS 16 where others send E5.",
        "Yokogawa (manual)",
        _settings(acknowledgement=Acknowledgement.SHORT_FRAME),
    ),
    quirk(
        "application_reset_needed",
        "REQ_UD2 gets E5 until an application reset came, with that sub-code.",
        NO_SOURCE,
        _piece(answers.ApplicationResetNeeded),
        "commands",
        subcode=(Byte | None, None),
    ),
    quirk(
        "switched_by_ci_b1",
        "The first half of the records; after SND_UD with CI B1 the others.",
        "libmbus#149, pyMeterBus#16 (Eastron SDM630)",
        lambda ci: _piece(answers.SwitchedByCommand)(ci=ci),
        "commands",
        ci=(Annotated[int, in_range(0xA0, 0xB7, hexadecimal=True)], 0xB1),
    ),
    quirk(
        "day_archive",
        "After an application reset with that sub-code each request with a new frame count bit goes a day back.",
        "Axioma Qalcosonic Heat 1 (CI 50 30, in a public driver)",
        _piece(answers.DayArchive),
        "commands",
        subcode=(Byte, 0x30),
    ),
    quirk(
        "automatic_baud",
        "All baud rates are understood at any time; a command to switch changes nothing.",
        "Kamstrup, Relay, Saia (manuals)",
        _settings(baud_detection=True),
    ),
    quirk(
        "baud_lost_with_power",
        "A switched baud rate is forgotten with the power.",
        NO_SOURCE,
        _settings(baud_kept=False),
    ),
)

_TELEGRAMS = (
    quirk(
        "nothing_to_say",
        "REQ_UD2 gets E5.",
        "EN 13757-2 allows it to a slave without data",
        _piece(answers.NothingToSay),
    ),
    quirk(
        "acd_always",
        "RSP_UD always has the ACD bit (C = 28), and REQ_UD1 finds nothing.",
        NO_SOURCE,
        _control(ACD),
        "the control field",
    ),
    quirk(
        "wrong_control",
        "RSP_UD has a C field of its own.",
        NO_SOURCE,
        _control(),
        "the control field",
        value=(Byte, 0x0B),
    ),
    quirk(
        "ci_b7_until_reset",
        "Telegrams have CI B7 until SND_NKE to the own address.",
        "libmbus#90 (Sontex Supercal 531)",
        _piece(answers.CiUntilReset),
        ci=(Byte, 0xB7),
    ),
    quirk(
        "shorter_after_first",
        "After the first whole readout half of the records, until SND_NKE to 255.",
        "libmbus#127 (Schneider)",
        _piece(answers.ShorterAfterFirst),
    ),
    quirk(
        "more_for_nothing",
        "The last telegram ends with 1F, too.",
        "recorded telegrams of Sensus, Elvaco, IME",
        Change(device=more_for_nothing),
        "the end of a readout",
    ),
    quirk(
        "empty_telegram_last",
        "The last telegram has no records.",
        NO_SOURCE,
        Change(device=empty_telegram_last),
        "the end of a readout",
    ),
    quirk(
        "plain_text_unit",
        "One record more with its unit as plain text (45.64 %RH), before or behind the VIFE.",
        "libmbus PR 229; recorded telegrams of Elvaco (before)",
        _plain_text,
        place=(Annotated[Place, one_of(Place)], "before"),
        letters=(Annotated[Letters, one_of(Letters)], "last_first"),
    ),
    quirk(
        "times_invalid_until_set",
        "Dates with time have the bit for an invalid time until a master sets the clock.",
        "recorded telegrams of Schneider and Relay",
        _piece(answers.TimesInvalid),
    ),
)

_WIRE = (
    quirk(
        "junk_before",
        "Characters of nobody right before its telegrams.",
        "libmbus#125 (Schneider iEM3135)",
        _wire(lambda data: (Leading(data),)),
        data=(SomeBytes, "00"),
        every=(Count, 1),
    ),
    quirk(
        "junk_behind",
        "Characters of nobody right behind its telegrams.",
        NO_SOURCE,
        _wire(lambda data: (Trailing(data),)),
        data=(SomeBytes, "00"),
        every=(Count, 1),
    ),
    quirk(
        "stops_in_the_middle",
        "Of its telegrams (each `every`th) the first characters only.",
        "a recorded telegram of Kamstrup flowIQ (60 of 125)",
        _wire(lambda characters: (Truncate(characters),)),
        characters=(Annotated[int, in_range(1, 260)], 60),
        every=(Count, 2),
    ),
    quirk(
        "pause_in_telegrams",
        "A pause within its telegrams, behind so many characters.",
        "node-mbus#56 (59 of 122, then a pause)",
        _wire(lambda pause, characters: (Gaps(pause, after=characters),)),
        pause=(Time, "100ms"),
        characters=(Annotated[int, in_range(1, 260)], 59),
        every=(Count, 1),
    ),
    quirk(
        "length_fields_differ",
        "The second L field of its telegrams is one less than the first.",
        "node-mbus#17",
        _wire(lambda: (WrongLength(-1, "second"),)),
        every=(Count, 1),
    ),
)

GROUPS: dict[str, tuple[Quirk, ...]] = {
    "Frame count bit and access number": _FCB,
    "Power, sleep and credit": _POWER,
    "Time": _TIMING,
    "Addresses": _ADDRESSING,
    "Selection": _SELECTION,
    "Resets and commands": _COMMANDS,
    "Telegrams": _TELEGRAMS,
    "On the wire": _WIRE,
}
QUIRKS: dict[str, Quirk] = {row.name: row for rows in GROUPS.values() for row in rows}
"""Every quirk by its name."""
