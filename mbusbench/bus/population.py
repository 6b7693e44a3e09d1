"""The slaves of a bus, found by what a frame addresses: few have to see it, however many there are."""

from __future__ import annotations

from collections.abc import Iterable

from mbusbench.bus.slave import Slave
from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.protocol.slave_selection import SELECTION, SELECTION_MODE_2


class Population:
    """All slaves, by primary address and by selection."""

    def __init__(self, slaves: Iterable[Slave]) -> None:
        self.slaves = list(slaves)
        self._by_address: dict[int, list[Slave]] = {}
        self._selected: dict[Slave, None] = {}
        for slave in self.slaves:
            self._by_address.setdefault(slave.indexed_at, []).append(slave)

    def addressed(self, frame: LongFrame | ShortFrame) -> list[Slave]:
        """The slaves that have to see the frame."""
        address = frame.address
        if address in self._by_address:
            return self._by_address[address]
        if address == SELECTED:
            if type(frame) is LongFrame and frame.ci in (SELECTION, SELECTION_MODE_2):
                return self.slaves
            return list(self._selected)
        return self.slaves if address in (BROADCAST_REPLY, BROADCAST) else []

    def update(self, slaves: Iterable[Slave]) -> None:
        """These slaves may have got another address, or have been selected or deselected."""
        for slave in list(slaves):
            if slave.link.is_selected:
                self._selected[slave] = None
            else:
                self._selected.pop(slave, None)
            address = slave.meter.address
            if address != slave.indexed_at:
                former = self._by_address[slave.indexed_at]
                former.remove(slave)
                if not former:
                    del self._by_address[slave.indexed_at]
                self._by_address.setdefault(address, []).append(slave)
                slave.indexed_at = address
