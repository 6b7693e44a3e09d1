"""Masters that are wrong about the link layer."""

from __future__ import annotations

from collections.abc import Sequence

from mbusbench.codec.address import SELECTED
from mbusbench.codec.control_field import FCB, FCV, SND_NKE
from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.codec.telegram import Telegram
from mbusbench.master.freshness import Freshness
from mbusbench.master.runner import Runner
from mbusbench.protocol import master_link
from mbusbench.protocol.exchange import Exchange, Expect
from mbusbench.protocol.fcb import MasterFcb, Service
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Received, Reply
from mbusbench.protocol.procedures import Procedure, readout, reset, write
from mbusbench.scenario.report import MeterReport
from mbusbench.scenario.verdict import Column, Verdict
from tests.mutants import Mutant
from tests.mutants.links import (
    AnyByte,
    KeepsInput,
    TogglesOnRepeats,
    linked_by,
    long_frame,
    reading_by,
    reading_loosely,
    sharing_one_bit,
    taking_copies,
    with_one_link_reset,
    without_link_reset,
    without_toggling,
)
from tests.mutants.making import lying, patched, together, with_options

_request_bit = MasterFcb.request_bit
_reset_image = MasterFcb.reset
_write = Runner._write
_HEADER = 19


def _no_errors(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"ok": True, "error": None}) for meter in meters]


def _unspecified(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter if meter.ok else meter.model_copy(update={"error": "unspecified"}) for meter in meters]


def _request_without_fcv(address: int, bit: int) -> Exchange:
    return Exchange(ShortFrame(0x5B & ~FCV, address), Expect.DATA)


def _write_with_wrong_checksum(runner: Runner, data: bytes) -> None:
    """L, L and 68 are in the sum of long frames."""
    long = len(data) > 5 and data[0] == 0x68
    _write(runner, data[:-2] + bytes([sum(data[1:-2]) & 0xFF]) + data[-1:] if long else data)


def _without_checksum(data: bytes) -> LongFrame | None:
    whole = len(data) > 8 and data[0] == data[3] == 0x68 and data[1] == data[2] and data[-1] == 0x16
    return long_frame(data) if whole and len(data) == data[1] + 6 else None


def _sums(data: bytes) -> bool:
    return sum(data[4:-2]) & 0xFF == data[-2]


def _by_the_first_length(data: bytes) -> LongFrame | None:
    whole = len(data) > 8 and data[0] == data[3] == 0x68 and len(data) == data[1] + 6
    return long_frame(data) if whole and data[-1] == 0x16 and _sums(data) else None


def _without_stop(data: bytes) -> LongFrame | None:
    whole = len(data) > 8 and data[0] == data[3] == 0x68 and data[1] == data[2] and len(data) == data[1] + 6
    return long_frame(data) if whole and _sums(data) else None


def _without_second_start(data: bytes) -> LongFrame | None:
    whole = len(data) > 8 and data[0] == 0x68 and data[1] == data[2] and len(data) == data[1] + 6
    return long_frame(data) if whole and data[-1] == 0x16 and _sums(data) else None


def _what_came(data: bytes) -> LongFrame | None:
    """The header and the records that are there, where they end with one."""
    is_start = len(data) > 8 and data[0] == data[3] == 0x68
    return LongFrame(data[4], data[5], data[6], data[7:]) if is_start and len(data) < data[1] + 6 else None


class _SmallBuffer(FrameReader):
    """Room for 200 bytes."""

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        return super().receive(data[: max(0, 200 - len(self.pending))], wrong)


class _StopsAtStop(FrameReader):
    """The first 16 ends a frame."""

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        frames: list[Frame | Reject] = []
        for index in range(len(data)):
            frames += super().receive(data[index : index + 1])
            if data[index] == 0x16 and self.pending:
                frames.append(Reject(super().clear(), master_link.RejectReason.LENGTH))
        return frames


class _Cooked(FrameReader):
    """A terminal that was not made raw."""

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        return super().receive(data.replace(b"\r", b"\n"), wrong)


class _FlowControlled(FrameReader):
    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        return super().receive(data.replace(b"\x11", b""), wrong)


class _FirstByteMustFit(FrameReader):
    """What does not begin with a start byte is dropped whole."""

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        if not self.pending and data[0] not in (0x10, 0x68, 0xE5):
            self._dropping = True
        if getattr(self, "_dropping", False):
            return [Reject(bytes(data), master_link.RejectReason.START)]
        return super().receive(data, wrong)

    def clear(self) -> bytes:
        self._dropping = False
        return super().clear()


class _WholeOrNothing(FrameReader):
    """Waits until the line is idle, and then takes a frame that is all that came."""

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        if data == b"\xe5" and not self.pending:
            return [ACK]
        self.pending += data
        return []

    def idle(self) -> list[Frame | Reject]:
        data = self.clear()
        found = FrameReader().receive(data)
        return found if len(found) == 1 else [Reject(data, master_link.RejectReason.LENGTH)]


class _WaitsForEver(MasterLink):
    """Of a frame that has begun it waits for the rest."""

    def poll(self, now: int) -> bytes:
        if self._reader.pending and self.next_wakeup() is not None:
            self._deadline = now + 1_000_000_000
            return b""
        return super().poll(now)


class _BothDirections(MasterLink):
    """Bit 6 of C says nothing to it."""

    def _take(self, item: Received, now: int) -> None:
        if isinstance(item, LongFrame) and item.control & 0x40:
            item = LongFrame(item.control & ~0x40, item.address, item.ci, item.data)
        super()._take(item, now)


class _TogglesOnFailures(TogglesOnRepeats):
    """After a damaged answer, not after silence."""

    def _attempt_failed(self, now: int) -> bytes:
        self.toggles = self._damaged
        return super()._attempt_failed(now)


class _TogglesOnTimeouts(TogglesOnRepeats):
    def _attempt_failed(self, now: int) -> bytes:
        self.toggles = not self._damaged
        return super()._attempt_failed(now)


class _DataAcknowledge(MasterLink):
    def _take_data(self, frame: LongFrame, now: int, exchange: Exchange) -> None:
        if exchange.expect is Expect.ACKNOWLEDGE:
            self._finish(Reply(ACK, self._attempt), now)
        else:
            super()._take_data(frame, now, exchange)


def _reset_but_not_253(fcb: MasterFcb, address: int) -> None:
    if address != SELECTED or not fcb.is_known(address):
        _reset_image(fcb, address)


def _zero_at_253(fcb: MasterFcb, address: int, service: Service = Service.REQ_UD2) -> int:
    return 0 if address == SELECTED else _request_bit(fcb, address, service)


def _reset_253(address: int, fcb: MasterFcb) -> Procedure[None]:
    yield Exchange(ShortFrame(SND_NKE, SELECTED), Expect.ACKNOWLEDGE, attempts=1)
    fcb.reset(address)


def _reset_once(address: int, alone: bool, attempts: int | None) -> Exchange:
    return Exchange(ShortFrame(SND_NKE, address), Expect.ACKNOWLEDGE, alone=alone, attempts=1)


def _all_stale(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter.model_copy(update={"stale": True}) for meter in meters]


def _same_body_as_before(freshness: Freshness, address: int, telegrams: Sequence[Telegram]) -> bool:
    bodies = [telegram.data[12:] for telegram in telegrams]
    before = freshness.__dict__.get(address)
    freshness.__dict__[address] = bodies  # type: ignore[index]
    return bool(before == bodies)


def _garbled(meters: list[MeterReport]) -> list[MeterReport]:
    return [meter if meter.ok else meter.model_copy(update={"error": "garbled"}) for meter in meters]


def _until_the_first_failure(meters: list[MeterReport]) -> list[MeterReport]:
    failed = [index for index, meter in enumerate(meters) if not meter.ok]
    return meters[: failed[0] + 1] if failed else meters


def _send_and_forget(address, payload, fcb):  # type: ignore[no-untyped-def]
    ci, data = payload
    control = 0x53 | FCB * fcb.request_bit(address, Service.SND_UD)
    yield Exchange(LongFrame(control, address, ci, data), Expect.NOTHING, attempts=1)
    fcb.success(address, Service.SND_UD)


FRAMES = [
    Mutant(
        "MUT-LL-FRM-01a",
        "LL-FRM-01",
        "FCV never set",
        Column.WIRE,
        patched(readout, _request=_request_without_fcv),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-FRM-01b",
        "LL-FRM-01",
        "its checksum begins with the L fields",
        Column.WIRE,
        patched(Runner, _write=_write_with_wrong_checksum),
    ),
    Mutant("MUT-LL-FRM-02a", "LL-FRM-02", "a buffer of 200 bytes", Column.REPORT, reading_by(_SmallBuffer)),
    Mutant("MUT-LL-FRM-02b", "LL-FRM-02", "stops at the first 16", Column.REPORT, reading_by(_StopsAtStop)),
    Mutant("MUT-LL-FRM-02c", "LL-FRM-02", "CR becomes LF", Column.REPORT, reading_by(_Cooked)),
    Mutant("MUT-LL-FRM-02d", "LL-FRM-02", "XON is swallowed", Column.REPORT, reading_by(_FlowControlled)),
    Mutant("MUT-LL-CHK-01", "LL-CHK-01", "looks at no checksum", Column.REPORT, reading_loosely(_without_checksum)),
    Mutant("MUT-LL-CHK-02a", "LL-CHK-02", "looks at the first L", Column.REPORT, reading_loosely(_by_the_first_length)),
    Mutant("MUT-LL-CHK-02b", "LL-CHK-02", "looks at no stop byte", Column.REPORT, reading_loosely(_without_stop)),
    Mutant("MUT-LL-CHK-02c", "LL-CHK-02", "looks at one start", Column.REPORT, reading_loosely(_without_second_start)),
    Mutant("MUT-LL-CHK-03a", "LL-CHK-03", "takes what came", Column.REPORT, reading_loosely(_what_came, at_rest=True)),
    Mutant(
        "MUT-LL-CHK-03b",
        "LL-CHK-03",
        "waits for ever for the rest",
        Column.TIMING,
        linked_by(_WaitsForEver),
    ),
    Mutant("MUT-LL-CHK-03c", "LL-CHK-03", "does not repeat", Column.WIRE, with_options(retries=0)),
    Mutant(
        "MUT-LL-CHK-04",
        "LL-CHK-04",
        "takes anybody's answer",
        Column.REPORT,
        patched(MasterLink, _take_foreign=lambda self, item, now: self._take_data(item, now, self._exchange)),
    ),
    Mutant("MUT-LL-CHK-05", "LL-CHK-05", "does not look at bit 6", Column.REPORT, linked_by(_BothDirections)),
    Mutant(
        "MUT-LL-CHK-06a",
        "LL-CHK-06",
        "accepts 08 only",
        Column.REPORT,
        patched(master_link, ANSWERS=frozenset((0x08,))),
    ),
    Mutant(
        "MUT-LL-CHK-06b",
        "LL-CHK-06",
        "accepts any C",
        Column.REPORT,
        patched(master_link, ANSWERS=frozenset(range(256))),
    ),
    Mutant(
        "MUT-LL-CHK-07",
        "LL-CHK-07",
        "the first byte must fit",
        Column.REPORT,
        reading_by(_FirstByteMustFit),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-CHK-08a",
        "LL-CHK-08",
        "takes a copy of a telegram for the next one",
        Column.REPORT,
        taking_copies,
    ),
    Mutant(
        "MUT-LL-CHK-08b",
        "LL-CHK-08",
        "a frame has to be all that came",
        Column.REPORT,
        reading_by(_WholeOrNothing),
        Verdict.NON_STRICT,
    ),
]
ACKNOWLEDGES = [
    Mutant("MUT-LL-ACK-01a", "LL-ACK-01", "E5 is an empty reading", Column.REPORT, lying(_no_errors)),
    Mutant(
        "MUT-LL-ACK-01b",
        "LL-ACK-01",
        "does not say why it failed",
        Column.REPORT,
        lying(_unspecified),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-LL-ACK-02a", "LL-ACK-02", "any byte is E5", Column.REPORT, reading_by(AnyByte)),
    Mutant("MUT-LL-ACK-02b", "LL-ACK-02", "does not repeat", Column.WIRE, with_options(retries=0)),
    Mutant(
        "MUT-LL-ACK-03a",
        "LL-ACK-03",
        "does not wait for E5",
        Column.REPORT,
        patched(write, send_user_data=_send_and_forget),
    ),
    Mutant("MUT-LL-ACK-03b", "LL-ACK-03", "sends six times", Column.WIRE, with_options(retries=5)),
    Mutant("MUT-LL-ACK-04a", "LL-ACK-04", "toggles on the repeat", Column.WIRE, linked_by(TogglesOnRepeats)),
    Mutant("MUT-LL-ACK-04b", "LL-ACK-04", "does not repeat", Column.REPORT, with_options(retries=0)),
]
FRAME_COUNTS = [
    Mutant(
        "MUT-LL-FCB-01",
        "LL-FCB-01",
        "begins with 5B",
        Column.WIRE,
        patched(MasterFcb, request_bit=lambda self, *of: 1 - _request_bit(self, *of)),
        is_sane=False,
    ),
    Mutant(
        "MUT-LL-FCB-02",
        "LL-FCB-02",
        "resets a link once, and never toggles",
        Column.REPORT,
        together(with_one_link_reset, without_toggling),
    ),
    Mutant(
        "MUT-LL-FCB-03",
        "LL-FCB-03",
        "begins with 7B and without a link reset",
        Column.REPORT,
        without_link_reset,
        is_sane=False,
    ),
    Mutant("MUT-LL-FCB-04a", "LL-FCB-04", "toggles on a timeout", Column.WIRE, linked_by(_TogglesOnTimeouts)),
    Mutant("MUT-LL-FCB-04b", "LL-FCB-04", "toggles on a bad frame", Column.WIRE, linked_by(_TogglesOnFailures)),
    Mutant(
        "MUT-LL-FCB-05",
        "LL-FCB-05",
        "has one frame count bit for all, and resets once",
        Column.REPORT,
        together(with_one_link_reset, sharing_one_bit),
    ),
    Mutant(
        "MUT-LL-FCB-06a",
        "LL-FCB-06",
        "the frame count bit of writes is fixed",
        Column.WIRE,
        without_toggling,
    ),
    Mutant(
        "MUT-LL-FCB-06b",
        "LL-FCB-06",
        "writes without FCV",
        Column.WIRE,
        patched(write, with_fcb=lambda control, bit: control & ~FCV),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-FCB-07a",
        "LL-FCB-07",
        "keeps the image of 253 over a selection",
        Column.REPORT,
        patched(MasterFcb, reset=_reset_but_not_253),
    ),
    Mutant("MUT-LL-FCB-07b", "LL-FCB-07", "5B FD", Column.WIRE, patched(MasterFcb, request_bit=_zero_at_253)),
    Mutant(
        "MUT-LL-FCB-08a",
        "LL-FCB-08",
        "never compares",
        Column.REPORT,
        patched(Freshness, is_stale=lambda self, *of: False),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-FCB-08c",
        "LL-FCB-08",
        "equal values are old",
        Column.REPORT,
        patched(Freshness, is_stale=_same_body_as_before),
        Verdict.NON_STRICT,
    ),
    Mutant(
        "MUT-LL-FCB-08b",
        "LL-FCB-08",
        "calls every telegram old",
        Column.REPORT,
        lying(_all_stale),
        Verdict.NON_STRICT,
        is_sane=False,
    ),
]
REPEATS = [
    Mutant("MUT-LL-RTY-01a", "LL-RTY-01", "repeats nothing", Column.WIRE, with_options(retries=0)),
    Mutant("MUT-LL-RTY-01b", "LL-RTY-01", "repeats once", Column.WIRE, with_options(retries=1)),
    Mutant("MUT-LL-RTY-02a", "LL-RTY-02", "repeats for ever", Column.WIRE, with_options(retries=1000)),
    Mutant("MUT-LL-RTY-02b", "LL-RTY-02", "repeats five times", Column.WIRE, with_options(retries=5)),
    Mutant("MUT-LL-RTY-02c", "LL-RTY-02", "calls it garbled", Column.REPORT, lying(_garbled)),
    Mutant(
        "MUT-LL-RTY-03",
        "LL-RTY-03",
        "gives up after three failures",
        Column.WIRE,
        patched(readout, _may_be_an_accident=lambda *of: False),
        Verdict.NON_STRICT,
    ),
    Mutant("MUT-LL-RTY-04", "LL-RTY-04", "stops at the first failure", Column.REPORT, lying(_until_the_first_failure)),
    Mutant(
        "MUT-LL-NKE-01a",
        "LL-NKE-01",
        "resets 253 only",
        Column.REPORT,
        patched(readout, link_reset=_reset_253),
        is_sane=False,
    ),
    Mutant("MUT-LL-NKE-01b", "LL-NKE-01", "resets once", Column.REPORT, with_one_link_reset),
    Mutant("MUT-LL-NKE-02", "LL-NKE-02", "one SND_NKE only", Column.WIRE, patched(reset, _reset=_reset_once)),
    Mutant(
        "MUT-LL-LAT-01",
        "LL-LAT-01",
        "takes anybody's answer",
        Column.REPORT,
        patched(MasterLink, _take_foreign=lambda self, item, now: self._take_data(item, now, self._exchange)),
    ),
    Mutant("MUT-LL-LAT-02", "LL-LAT-02", "takes the copy for the second telegram", Column.REPORT, taking_copies),
    Mutant("MUT-LL-LAT-03b", "LL-LAT-03", "data acknowledge a link reset", Column.TIMING, linked_by(_DataAcknowledge)),
    Mutant(
        "MUT-LL-LAT-03a",
        "LL-LAT-03",
        "keeps its input, and resets no link",
        Column.REPORT,
        together(without_link_reset, linked_by(KeepsInput)),
        is_sane=False,
    ),
]
MUTANTS = [*FRAMES, *ACKNOWLEDGES, *FRAME_COUNTS, *REPEATS]
