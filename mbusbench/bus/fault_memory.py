"""What faults have to remember of the slaves: their last telegrams, and to which services they have answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mbusbench.bus.fault_kinds import OLDEST_TELEGRAM
from mbusbench.bus.slave import Slave
from mbusbench.codec.address import SELECTED
from mbusbench.codec.control_field import FCB, FCV, function_code
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.protocol.fcb import Sequence as Repetition
from mbusbench.protocol.fcb import Service

_SERVICES = {0x3: Service.SND_UD, 0xA: Service.REQ_UD1, 0xB: Service.REQ_UD2}


class FaultMemory:
    """Empty until the faults that need it are armed, and again after the power has failed."""

    def __init__(self) -> None:
        self._telegrams: dict[Slave, deque[bytes]] = {}
        self._answered: dict[Slave, set[Service]] = {}

    def earlier(self, slave: Slave, answer: bytes) -> Sequence[bytes]:
        """The telegrams before this one, which is remembered for the next; repeats are the same telegram."""
        if len(answer) == 1:
            return ()
        telegrams = self._telegrams.setdefault(slave, deque(maxlen=OLDEST_TELEGRAM + 1))
        if not telegrams or telegrams[-1] != answer:
            telegrams.append(answer)
        return list(telegrams)[:-1]

    def note_answer(self, request: LongFrame | ShortFrame, slave: Slave) -> None:
        """The slave has something to repeat now."""
        service = _SERVICES.get(function_code(request.control))
        if service is not None:
            self._answered.setdefault(slave, set()).add(service)

    def take_for_repeat(self, frame: LongFrame | ShortFrame, slave: Slave) -> bool:
        """Let the slave remember the frame's own frame count bit; False where it has nothing to repeat."""
        service = _SERVICES.get(function_code(frame.control))
        if service is None or not frame.control & FCV:
            return False
        memory = slave.link.fcb(service, selected=frame.address == SELECTED)
        if memory.fresh and service not in self._answered.get(slave, ()):
            return False
        bit = 1 if frame.control & FCB else 0
        memory.last = bit
        return memory.judge(bit) is Repetition.REPEAT

    def forget(self, slave: Slave | None) -> None:
        """The slave, or all of them, was without power."""
        for memory in (self._telegrams, self._answered):
            if slave is None:
                memory.clear()
            else:
                memory.pop(slave, None)
