"""Link layers with a defect, that mutants of several families are made of: readers, links, frame count bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mbusbench.codec.control_field import FCB, FCV
from mbusbench.codec.frame import ACK, Frame, LongFrame, ShortFrame, decode_frame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.master import master
from mbusbench.protocol import master_link
from mbusbench.protocol.exchange import Exchange
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.late_answers import LateAnswers
from mbusbench.protocol.link_state import LinkState
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Failure
from mbusbench.protocol.procedures import Procedure, readout
from mbusbench.protocol.procedures.reset import link_reset
from tests.mutants.making import Making, patched, together

_request_bit, _success, _reset = MasterFcb.request_bit, MasterFcb.success, MasterFcb.reset

Loose = Callable[[bytes], Frame | None]


def reading_by(reader: type[FrameReader]) -> Making:
    """With another class that finds frames."""
    return patched(master_link, FrameReader=reader)


def reading_loosely(loose: Loose, *, at_rest: bool = False) -> Making:
    """Takes for a frame what `loose` makes of everything that came since the request, where nothing is right.

    `at_rest`: not before the line is idle.
    """

    class LooseReader(FrameReader):
        def __init__(self) -> None:
            super().__init__()
            self._all = b""

        def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
            self._all += data
            found = super().receive(data)
            if any(not isinstance(item, Reject) for item in found):
                self._all = b""
                return found
            return found if at_rest else self._loose() or found

        def idle(self) -> list[Frame | Reject]:
            return self._loose() or super().idle()

        def _loose(self) -> list[Frame | Reject]:
            frame = loose(self._all)
            if frame is None:
                return []
            self.clear()
            return [frame]

        def clear(self) -> bytes:
            self._all = b""
            return super().clear()

    return reading_by(LooseReader)


class AnyByte(FrameReader):
    """A byte that begins no frame is E5 to it, whatever it is."""

    def receive(self, data: bytes, wrong: Sequence[int] = ()) -> list[Frame | Reject]:
        if len(data) == 1 and not self.pending and data[0] not in (0x10, 0x68):
            return [ACK]
        return super().receive(data, wrong)


def linked_by(link: type[MasterLink]) -> Making:
    """With another class for its link; a subclass may have attributes of its own."""
    return patched(master, MasterLink=link)


class KeepsInput(MasterLink):
    """What came between requests is the answer to the next one."""

    def __init__(self, *arguments: int, **options: int) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._kept: list[tuple[bytes, Sequence[int]]] = []

    def receive(self, data: bytes, now: int, wrong: Sequence[int] = ()) -> None:
        if self.state is LinkState.IDLE:
            self._kept.append((data, wrong))
        else:
            super().receive(data, now, wrong)

    def start(self, exchange: Exchange, now: int) -> bytes:
        request = super().start(exchange, now)
        for data, wrong in self._kept:
            super().receive(data, now, wrong)
        self._kept.clear()
        return request


class TogglesOnRepeats(MasterLink):
    """The frame count bit of a repeat is the other one, where `toggles`."""

    def __init__(self, *arguments: int, **options: int) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.toggles = True

    def _send(self, now: int) -> bytes:
        if self._attempt and self.toggles:
            frame = decode_frame(self._request)
            if isinstance(frame, ShortFrame | LongFrame) and frame.control & FCV:
                self._request = replace(frame, control=frame.control ^ FCB).encode()
        return super()._send(now)


def long_frame(data: bytes) -> LongFrame:
    """What a long frame would say, whatever is wrong with it."""
    return LongFrame(data[4], data[5], data[6], data[7:-2])


def _no_reset(address: int, fcb: MasterFcb, **options: object) -> Procedure[Failure | None]:
    if not fcb.is_known(address):
        fcb.reset(address)
    return None
    yield


def _one_reset(address: int, fcb: MasterFcb) -> Procedure[Failure | None]:
    if fcb.is_known(address):
        return None
    return (yield from link_reset(address, fcb))


without_link_reset = patched(readout, link_reset=_no_reset)
with_one_link_reset = patched(readout, link_reset=_one_reset)
sharing_one_bit = patched(
    MasterFcb,
    is_known=lambda self, address: bool(self._next),
    request_bit=lambda self, address, *service: _request_bit(self, 0, *service),
    success=lambda self, address, *service: _success(self, 0, *service),
    reset=lambda self, address: _reset(self, 0),
    forget=lambda self, address=None: None,
)
"""One frame count bit for all addresses."""
without_toggling = patched(MasterFcb, success=lambda self, *of: None)
taking_copies = together(
    patched(LateAnswers, is_copy=lambda self, *of: False),
    patched(readout, _doubt=lambda *of: None),
)
"""A telegram that comes again is the next one."""
