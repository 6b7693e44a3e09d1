"""What slaves in the field do differently, as named settings. Every default is what the standard says or means.

EN 13757-2 and EN 13757-3 with the older readings of The M-Bus 4.8; where neither settles a point, the most common way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mbusbench.codec.frame import DATA_MAXIMUM
from mbusbench.protocol.fcb import FcbMode

_MINUTE = 60 * 10**9


class AfterLast(Enum):
    """What a slave sends to a new request after the last telegram of a readout. All three are met."""

    WRAP = "wrap"
    REPEAT = "repeat"
    ACKNOWLEDGE = "acknowledge"  # E5 until the link is reset


class FcbPaths(Enum):
    """Whether the own address and 253 have frame count bits of their own."""

    SEPARATE = "separate"
    SHARED = "shared"


class FcbServices(Enum):
    """Which services have a frame count bit of their own."""

    SEPARATE = "separate"
    REQUESTS = "requests"  # one for REQ_UD1 and REQ_UD2
    SINGLE = "single"  # one for all, as in plain IEC 60870-5-2: a repeat gets whatever was answered last


class Repeat(Enum):
    """What the answer to a repeated request is."""

    SAME = "same"
    RENUMBERED = "renumbered"  # the same records under a new access number
    REFRESHED = "refreshed"  # the same telegram with the values of now


class AccessNumber(Enum):
    """When the access number counts up."""

    TELEGRAM = "telegram"
    READOUT = "readout"
    NEVER = "never"


class Acknowledgement(Enum):
    CHARACTER = "character"
    SHORT_FRAME = "short_frame"  # 10 00 A CS 16 of FT1.2


class Answer(Enum):
    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"


class SndUd2(Enum):
    """C field 43: once SND_UD without a frame count bit, in EN 13757-2:2018 a command that is answered with data."""

    ACKNOWLEDGE = "acknowledge"
    RESPOND = "respond"
    REFUSE = "refuse"  # A2


class Refusal(Enum):
    ERROR = "error"
    IGNORE = "ignore"


class Errors(Enum):
    """Which codes CI 70 reports."""

    DETAILED = "detailed"  # those of the 2018 edition, too
    BASIC = "basic"  # 00 to 09; what they do not name is 00
    NONE = "none"


class Lasts(Enum):
    """How long a choice holds that a master made."""

    READOUT = "readout"
    RESET = "reset"  # until SND_NKE or an application reset
    POWER = "power"  # until the power fails or an application reset


class BusyAnswer(Enum):
    ERROR = "error"  # CI 70, 08
    ACKNOWLEDGE = "acknowledge"


class Spent(Enum):
    ERROR = "error"  # CI 70, 09
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class ReadoutCredit:
    """A battery's: `readouts` in each period of `per` ns, counted from the bus's epoch; then `spent`."""

    readouts: int
    per: int
    spent: Spent = Spent.ERROR


@dataclass(frozen=True, slots=True)
class SlaveSettings:
    """Durations are ns. An address of None is the slave's own."""

    # Frame count bit
    fcb: FcbMode = FcbMode.STRICT
    fcb_paths: FcbPaths = FcbPaths.SEPARATE
    fcb_services: FcbServices = FcbServices.SEPARATE
    empty_answer_counts: bool = True  # E5 to REQ_UD2 stores the bit
    # Answers
    after_last: AfterLast = AfterLast.WRAP
    repeat: Repeat = Repeat.SAME
    access_number: AccessNumber = AccessNumber.TELEGRAM
    acknowledgement: Acknowledgement = Acknowledgement.CHARACTER
    response_bits: int = 0  # set in the C field of every RSP_UD: ACD 20, DFC 10
    reply_address: int | None = None
    selected_reply_address: int | None = None  # the A field of answers to 253
    test_address: bool = True  # 254 is answered
    snd_ud2: SndUd2 = SndUd2.ACKNOWLEDGE
    # Selection
    selected_reset: Answer = Answer.ACKNOWLEDGE  # SND_NKE to 253
    stray_selection: Answer = Answer.SILENCE  # a selection to the own address or 254
    short_masks: bool = False  # what a mask of 0 to 7 bytes (not 5) does not say is a wildcard
    exact_selection: bool = True  # false: only masks with a wildcard match
    enhanced_selection: bool = True
    mode_2_selection: bool = False  # CI 56 selects, most significant byte first
    new_id_deselects: bool = True
    # Commands
    errors: Errors = Errors.DETAILED
    wrong_address: Refusal = Refusal.ERROR  # a primary address above 250 is written
    unknown_application: Refusal = Refusal.IGNORE
    application_lasts: Lasts = Lasts.POWER
    selection_lasts: Lasts = Lasts.READOUT  # of records for readout
    synchronise_clock: bool = False  # to the nearest full minute
    command_bytes: int = DATA_MAXIMUM
    command_records: int = DATA_MAXIMUM
    # Alarms, busy, credit
    alarm_acd: bool = True
    busy_answer: BusyAnswer = BusyAnswer.ERROR
    busy_dfc: bool = False
    busy_after_command: int = 0
    readout_credit: ReadoutCredit | None = None
    # Power and baud rate
    start_up: int = 0
    missed_after_power_up: int = 0  # frames
    missed_after_idle: int | None = None  # the first frame after so long
    baud_kept: bool = True  # over a loss of power
    baud_detection: bool = False  # a command to change the rate changes nothing
    baud_fallback: int | None = 2 * _MINUTE  # to the old rate where no valid frame comes at the new one
