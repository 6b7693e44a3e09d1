"""The slaves of a bus, found by what a frame addresses: few have to see it, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mbusbench.bus.slave import Slave
from mbusbench.codec.address import BROADCAST, BROADCAST_REPLY, SELECTED
from mbusbench.codec.frame import LongFrame, ShortFrame
from mbusbench.protocol.slave.selection import SELECTION, SELECTION_MODE_2


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

    def add(self, slave: Slave) -> None:
        """Behind all others. Lists that were given out stay as they are."""
        self.slaves = [*self.slaves, slave]
        self._index(slave)

    def remove(self, slave: Slave) -> None:
        self.slaves = [each for each in self.slaves if each is not slave]
        self._unindex(slave)
        self._selected.pop(slave, None)

    def replace(self, former: Sequence[Slave], slaves: Sequence[Slave]) -> None:
        """In the place of the first of them in the order of all."""
        place = self.slaves.index(former[0])
        others = [each for each in self.slaves[place:] if each not in former]
        self.slaves = [*self.slaves[:place], *slaves, *others]
        for slave in former:
            self._unindex(slave)
            self._selected.pop(slave, None)
        for slave in slaves:
            self._index(slave)

    def _index(self, slave: Slave) -> None:
        self._by_address[slave.indexed_at] = [*self._by_address.get(slave.indexed_at, ()), slave]

    def _unindex(self, slave: Slave) -> None:
        others = [each for each in self._by_address[slave.indexed_at] if each is not slave]
        if others:
            self._by_address[slave.indexed_at] = others
        else:
            del self._by_address[slave.indexed_at]

    def update(self, slaves: Iterable[Slave]) -> None:
        """These slaves may have got another address, or have been selected or deselected."""
        for slave in list(slaves):
            if slave.link.is_selected:
                self._selected[slave] = None
            else:
                self._selected.pop(slave, None)
            address = slave.meter.address
            if address != slave.indexed_at:
                self._unindex(slave)
                slave.indexed_at = address
                self._index(slave)
