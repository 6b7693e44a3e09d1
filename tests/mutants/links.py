"""Link layers with a defect, that mutants of several families are made of: readers, links, frame count bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mbusbench.bus.endpoints.memory import MemoryStream
from mbusbench.codec.frame import Frame, LongFrame
from mbusbench.codec.frame_reader import FrameReader, Reject
from mbusbench.master import master
from mbusbench.protocol import master_link
from mbusbench.protocol.fcb import MasterFcb
from mbusbench.protocol.master_link import MasterLink
from mbusbench.protocol.outcome import Failure
from mbusbench.protocol.procedures import Procedure, readout
from mbusbench.protocol.procedures.reset import link_reset
from tests.mutants.making import Making, patched

Loose = Callable[[bytes], Frame | None]


def reading_loosely(loose: Loose) -> Making:
    """Takes for a frame what `loose` makes of everything that came since the request, where nothing is right."""

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
            frame = loose(self._all)
            if frame is None:
                return found
            super().clear()
            self._all = b""
            return [frame]

        def clear(self) -> bytes:
            self._all = b""
            return super().clear()

    return patched(master_link, FrameReader=LooseReader)


def linked_by(link: type[MasterLink]) -> Making:
    """With another class for its link; a subclass may have attributes of its own."""
    return patched(master, MasterLink=link)


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
by_character = patched(MemoryStream, take_whole_answers=lambda self: None)
"""Answers come character by character, so that limits within an answer are met."""
without_toggling = patched(MasterFcb, success=lambda self, *of: None)
