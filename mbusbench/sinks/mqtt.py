"""MQTT 5: a retained state topic for each meter, availability, last will, and Home Assistant's discovery.

Published with QoS 1 or 2, one after the other, so that what is acknowledged is at the broker and in order. Topics and
payloads are in docs/sinks.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbusbench import __version__
from mbusbench.definition.secret import Secret
from mbusbench.sinks.home_assistant import (
    OFFLINE,
    ONLINE,
    Announcement,
    Topics,
    bridge_identifier,
    bridge_payload,
    identifier,
)
from mbusbench.sinks.reading import Quality, Reading, utc_text
from mbusbench.sinks.sink import ConnectionStatus, SinkError

if TYPE_CHECKING:
    import ssl

    import aiomqtt


@dataclass(frozen=True, slots=True)
class Tls:
    """`ca` in place of the system's authorities; `certificate` and `key` (files) where the broker wants ours."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        import ssl

        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """`expire_after` (s): Home Assistant shows a value as unavailable that was not renewed for so long."""

    host: str
    port: int = 1883
    user: str | None = None
    password: Secret | None = None
    client_id: str | None = None
    tls: Tls | None = None
    topics: Topics = field(default_factory=Topics)
    qos: int = 1
    retain: bool = True
    values: bool = False
    discovery: bool = True
    expire_after: int | None = None
    keepalive: int = 30


class MqttSink:
    """Told of connections, and notices a lost broker by itself."""

    def __init__(self, name: str, options: MqttOptions) -> None:
        self.name = name
        self._options = options
        self._topics = options.topics
        self._client: aiomqtt.Client | None = None
        self._announcements: dict[str, Announcement] = {}
        self._available: dict[str, bool] = {}
        self._states: dict[str, str] = {}
        self._latest: dict[str, Reading] = {}
        self._connections: dict[str, str] = {}
        # Keys that the broker has acknowledged, of the batch under way and of the last.
        self._taken: set[str] = set()

    async def open(self) -> None:
        import aiomqtt

        options = self._options
        try:
            client = aiomqtt.Client(
                options.host,
                options.port,
                username=options.user,
                password=options.password.reveal() if options.password else None,
                identifier=options.client_id,
                protocol=aiomqtt.ProtocolVersion.V5,
                will=aiomqtt.Will(self._topics.bridge, OFFLINE, qos=1, retain=True),
                tls_context=options.tls.context() if options.tls else None,
                keepalive=options.keepalive,
                timeout=10,
            )
            await client.__aenter__()
        except (aiomqtt.MqttError, OSError) as error:
            raise SinkError(f"MQTT broker {options.host}:{options.port}: {_words(error)}") from error
        self._client = client
        self._available.clear()
        await self._announce_self()

    async def _announce_self(self) -> None:
        information = {"version": __version__, "client_id": self._options.client_id}
        await self._publish(self._topics.information, json.dumps(information), retain=True)
        if self._options.discovery:
            await self._subscribe(self._topics.birth)
            await self._announce_bridge()
            for announcement in self._announcements.values():
                await self._announce(announcement)
        await self._publish(self._topics.bridge, ONLINE, retain=True)

    async def write(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            if reading.key in self._taken:
                continue
            if self._options.discovery:
                await self._discover(reading)
            await self._publish_availability(reading)
            await self._publish_reading(reading)
            self._taken.add(reading.key)
        self._taken = {reading.key for reading in readings}

    async def _discover(self, reading: Reading) -> None:
        announcement = self._announcements.get(reading.meter)
        if announcement is None:
            announcement = Announcement(self._topics, self._options.expire_after)
        if announcement.learn(reading):
            await self._announce(announcement)
            self._announcements[reading.meter] = announcement

    async def _publish_availability(self, reading: Reading) -> None:
        available = reading.quality is not Quality.BAD
        if self._available.get(reading.meter) is not available:
            topic = self._topics.availability(reading.meter)
            await self._publish(topic, ONLINE if available else OFFLINE, retain=True)
            self._available[reading.meter] = available

    async def _publish_reading(self, reading: Reading) -> None:
        complete = reading.completed_by(self._latest.get(reading.meter))
        payload = state_payload(complete)
        if not self._options.retain:
            self._states[reading.meter] = payload
        await self._publish(self._topics.state(reading.meter), payload, retain=self._options.retain)
        if complete.quality is not Quality.BAD:
            self._latest[reading.meter] = complete
        if self._options.values:
            for value in reading.values:
                text = "" if value.value is None else _scalar(value.value)
                await self._publish(self._topics.value(reading.meter, value.tag), text, retain=self._options.retain)

    async def status(self, status: ConnectionStatus) -> None:
        is_new = status.name not in self._connections
        self._connections[status.name] = payload = connection_payload(status)
        await self._publish(self._topics.connection(status.name), payload, retain=True)
        if is_new and self._options.discovery:
            await self._announce_bridge()

    async def watch(self) -> None:
        """Repeat the announcements when Home Assistant starts, until the broker is lost."""
        import aiomqtt

        assert self._client is not None, "the sink is not open"
        try:
            async for message in self._client.messages:
                if str(message.topic) == self._topics.birth and message.payload == ONLINE.encode():
                    await self._answer_birth()
        except aiomqtt.MqttError as error:
            raise SinkError(f"the MQTT broker was lost: {_words(error)}") from error

    async def _answer_birth(self) -> None:
        await self._announce_bridge()
        for announcement in tuple(self._announcements.values()):
            await self._announce(announcement)
        # Retained states come to whoever subscribes; others have to be said again.
        for meter, payload in tuple(self._states.items()):
            await self._publish(self._topics.state(meter), payload, retain=False)

    async def _announce_bridge(self) -> None:
        payload = bridge_payload(self._topics, self._connections)
        await self._publish(self._topics.configuration(bridge_identifier(self._topics)), payload, retain=True)

    async def _announce(self, announcement: Announcement) -> None:
        topic = self._topics.configuration(identifier(announcement.meter))
        await self._publish(topic, announcement.payload(), retain=True)

    async def close(self) -> None:
        """A connection that is closed in order sends no last will: say it here."""
        import aiomqtt

        client = self._client
        if client is None:
            return
        try:
            with suppress(SinkError):
                await self._publish(self._topics.bridge, OFFLINE, retain=True)
        finally:
            self._client = None
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    async def _publish(self, topic: str, payload: str, *, retain: bool) -> None:
        import aiomqtt

        assert self._client is not None, "the sink is not open"
        try:
            await self._client.publish(topic, payload, qos=self._options.qos, retain=retain)
        except aiomqtt.MqttError as error:
            raise SinkError(f"the MQTT broker took nothing: {_words(error)}") from error

    async def _subscribe(self, topic: str) -> None:
        import aiomqtt

        assert self._client is not None, "the sink is not open"
        try:
            await self._client.subscribe(topic, qos=1)
        except aiomqtt.MqttError as error:
            raise SinkError(f"the MQTT broker refused to tell {topic}: {_words(error)}") from error


def state_payload(reading: Reading) -> str:
    """What a meter's state topic says. `values` has every value, null where there is none; `bad` says why."""
    payload: dict[str, Any] = {
        "ts": utc_text(reading.time),
        "key": reading.key,
        "connection": reading.connection,
        "quality": reading.quality.value,
    }
    for name in ("reason", "access_number", "status"):
        if getattr(reading, name) is not None:
            payload[name] = getattr(reading, name)
    payload["values"] = {value.tag: value.value for value in reading.values}
    doubtful = {value.tag: value.reason for value in reading.values if value.quality is not Quality.GOOD}
    if doubtful:
        payload["bad"] = doubtful
    return json.dumps(payload, ensure_ascii=False, allow_nan=False)


def connection_payload(status: ConnectionStatus) -> str:
    """What a connection's state topic says."""
    return json.dumps(
        {
            "state": status.state.value,
            "actual": status.actual,
            "error": status.error,
            "error_time": None if status.error_time is None else utc_text(status.error_time),
            "cycle_seconds": status.cycle_seconds,
            "counters": dict(status.counters),
        },
        ensure_ascii=False,
    )


def _scalar(value: float | str | bool) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
