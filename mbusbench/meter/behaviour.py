"""The part of a device or bus file that says what a slave does differently from the standard, and what befalls it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from mbusbench.codec.control_field import ACD, DFC
from mbusbench.codec.frame import DATA_MAXIMUM
from mbusbench.codec.security import BLOCK
from mbusbench.definition.fields import Byte, Duration, hex_bytes, in_range, nanoseconds, one_of
from mbusbench.definition.validation import Definition, mistake, shown
from mbusbench.protocol.slave import settings
from mbusbench.protocol.slave.alarms import Alarm
from mbusbench.protocol.slave.security import MODES
from mbusbench.protocol.slave.settings import SlaveSettings

_LARGEST_COUNT = 1000


class Credit(Definition):
    """`readouts` in each `per`, then `spent`."""

    readouts: Annotated[int, in_range(1, _LARGEST_COUNT)]
    per: Duration
    spent: Annotated[settings.Spent, one_of(settings.Spent)] = settings.Spent.ERROR

    @model_validator(mode="after")
    def _takes_time(self) -> Credit:
        if not self.per:
            raise mistake("a period is longer than 0s", ["per"])
        return self


def _reply_address(value: object) -> int | None:
    if value is None or value == "own":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFF:
        return value
    raise mistake(f"{shown(value)} is not an address of an answer: own, or 0..255")


def _response_bits(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and not value & ~(ACD | DFC):
        return value
    raise mistake(f"{shown(value)} is not 0x20 (ACD), 0x10 (DFC), 0x30 (both) or 0")


def _duration_or_never(value: object) -> int | None:
    return None if value is None or value == "never" else nanoseconds(value)


def _key(value: object) -> bytes:
    key = hex_bytes(value)
    if len(key) != BLOCK:
        raise mistake(f"a key has {BLOCK} bytes, not {len(key)}")
    return key


ReplyAddress = Annotated[int | None, PlainValidator(_reply_address)]
DurationOrNever = Annotated[int | None, PlainValidator(_duration_or_never)]
Key = Annotated[bytes, PlainValidator(_key)]


def _security(value: object) -> int:
    if isinstance(value, int) and value in MODES:
        return value
    raise mistake(f"{shown(value)} is not a security mode: {' or '.join(map(str, MODES))}")


Security = Annotated[int, PlainValidator(_security)]


class Behaviour(Definition):
    """The settings of `protocol.slave.settings.SlaveSettings`, as a file gives them; what is not given stays."""

    fcb_paths: Annotated[settings.FcbPaths, one_of(settings.FcbPaths)] = settings.FcbPaths.SEPARATE
    fcb_services: Annotated[settings.FcbServices, one_of(settings.FcbServices)] = settings.FcbServices.SEPARATE
    empty_answer_counts: bool = True
    repeat: Annotated[settings.Repeat, one_of(settings.Repeat)] = settings.Repeat.SAME
    access_number: Annotated[settings.AccessNumber, one_of(settings.AccessNumber)] = settings.AccessNumber.TELEGRAM
    acknowledgement: Annotated[settings.Acknowledgement, one_of(settings.Acknowledgement)] = (
        settings.Acknowledgement.CHARACTER
    )
    response_bits: Annotated[int, PlainValidator(_response_bits)] = 0
    reply_address: ReplyAddress = None
    selected_reply_address: ReplyAddress = None
    test_address: bool = True
    snd_ud2: Annotated[settings.SndUd2, one_of(settings.SndUd2)] = settings.SndUd2.ACKNOWLEDGE
    selected_reset: Annotated[settings.Answer, one_of(settings.Answer)] = settings.Answer.ACKNOWLEDGE
    stray_selection: Annotated[settings.Answer, one_of(settings.Answer)] = settings.Answer.SILENCE
    short_masks: bool = False
    exact_selection: bool = True
    enhanced_selection: bool = True
    mode_2_selection: bool = False
    new_id_deselects: bool = True
    errors: Annotated[settings.Errors, one_of(settings.Errors)] = settings.Errors.DETAILED
    wrong_address: Annotated[settings.Refusal, one_of(settings.Refusal)] = settings.Refusal.ERROR
    unknown_application: Annotated[settings.Refusal, one_of(settings.Refusal)] = settings.Refusal.IGNORE
    application_lasts: Annotated[settings.Lasts, one_of(settings.Lasts)] = settings.Lasts.POWER
    selection_lasts: Annotated[settings.Lasts, one_of(settings.Lasts)] = settings.Lasts.READOUT
    synchronise_clock: bool = False
    command_bytes: Annotated[int, in_range(0, DATA_MAXIMUM)] = DATA_MAXIMUM
    command_records: Annotated[int, in_range(0, DATA_MAXIMUM)] = DATA_MAXIMUM
    alarm_acd: bool = True
    busy_answer: Annotated[settings.BusyAnswer, one_of(settings.BusyAnswer)] = settings.BusyAnswer.ERROR
    busy_dfc: bool = False
    busy_after_command: Duration = 0
    readout_credit: Credit | None = None
    start_up: Duration = 0
    missed_after_power_up: Annotated[int, in_range(0, _LARGEST_COUNT)] = 0
    missed_after_idle: DurationOrNever = None
    baud_kept: bool = True
    baud_detection: bool = False
    baud_fallback: DurationOrNever = SlaveSettings().baud_fallback

    def applied_to(self, base: SlaveSettings) -> SlaveSettings:
        """`base` with what is given here."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        credit = given.get("readout_credit")
        if isinstance(credit, Credit):
            given["readout_credit"] = settings.ReadoutCredit(credit.readouts, credit.per, credit.spent)
        return replace(base, **given)


class AlarmDefinition(Definition):
    """Bits of the alarm's state byte, from a time of the bus on."""

    state: Byte
    from_: Duration = Field(default=0, alias="from")
    until: Duration | None = None
    once: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> AlarmDefinition:
        if not self.state:
            raise mistake("an alarm sets at least one bit", ["state"])
        _check_order(self.from_, self.until)
        return self

    @property
    def alarm(self) -> Alarm:
        return Alarm(self.state, self.from_, self.until, self.once)


class BusyDefinition(Definition):
    """A time in which the slave is busy."""

    from_: Duration = Field(default=0, alias="from")
    until: Duration

    @model_validator(mode="after")
    def _in_order(self) -> BusyDefinition:
        _check_order(self.from_, self.until)
        return self


def _check_order(start: int, until: int | None) -> None:
    if until is not None and until <= start:
        raise mistake("must be later than from", ["until"])
