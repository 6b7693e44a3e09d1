"""What a slave keeps for each way to address it: the frame count bits of its services and the A field of its answers.

The ways are the own address (which 254 shares) and 253.
"""

from __future__ import annotations

from mbusbench.protocol.fcb import Service, SlaveFcb
from mbusbench.protocol.slave.settings import FcbServices, SlaveSettings


class LinkPath:
    """The frame count bits of one way. `reply_address` is None for the slave's own."""

    __slots__ = ("alarm_request", "reply_address", "request", "send")

    def __init__(self, settings: SlaveSettings, reply_address: int | None, shared: LinkPath | None = None) -> None:
        """With the bits of `shared`, if there is one."""
        self.reply_address = reply_address
        mode, services = settings.fcb, settings.fcb_services
        self.request: SlaveFcb = shared.request if shared else SlaveFcb(mode)
        self.send: SlaveFcb = self.request
        self.alarm_request: SlaveFcb = self.request
        if services is not FcbServices.SINGLE:
            self.send = shared.send if shared else SlaveFcb(mode)
        if services is FcbServices.SEPARATE:
            self.alarm_request = shared.alarm_request if shared else SlaveFcb(mode)

    def reset(self) -> None:
        self.request.reset()
        self.send.reset()
        self.alarm_request.reset()

    def of(self, service: Service) -> SlaveFcb:
        return {Service.REQ_UD2: self.request, Service.SND_UD: self.send, Service.REQ_UD1: self.alarm_request}[service]
