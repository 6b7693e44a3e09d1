"""The MQTT sink with a real broker."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mbusbench.definition.secret import Secret
from mbusbench.sinks.delivery import SinkState
from mbusbench.sinks.home_assistant import Topics
from mbusbench.sinks.mqtt import MqttOptions, MqttSink
from mbusbench.sinks.reading import Quality, Reading
from mbusbench.sinks.sink import ConnectionState, ConnectionStatus, SinkError
from tests.services import Mosquitto, free_port
from tests.sinks.conftest import Delivering, until
from tests.sinks.samples import START, keys, reading, readings

METER = "KAM-12345678-1b-04"
STATE = f"mbusbench/meter/{METER}/state"
AVAILABILITY = f"mbusbench/meter/{METER}/availability"
BRIDGE = "mbusbench/bridge/state"
DEVICE = f"homeassistant/device/mbusbench_{METER}/config"


def sink(broker: Mosquitto, **options: Any) -> MqttSink:
    return MqttSink("mqtt", MqttOptions("127.0.0.1", broker.port, **options))


class Listener:
    """Hears everything, in order: (topic, payload, whether it was retained)."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bool]] = []

    def of(self, topic: str) -> list[str]:
        return [payload for heard, payload, _ in self.heard if heard == topic]

    def last(self, topic: str) -> str | None:
        return next(reversed(self.of(topic)), None)

    def keys(self) -> list[str]:
        return [json.loads(payload)["key"] for payload in self.of(STATE)]


@contextmanager
def paho_listener(broker: Mosquitto) -> Iterator[Listener]:
    """One that comes back by itself, and has a session at the broker so that it misses nothing."""
    import paho.mqtt.client as paho
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    listener = Listener()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "listener", protocol=paho.MQTTv5)
    client.reconnect_delay_set(1, 1)
    subscribed = threading.Event()

    def connected(_client: object, _data: object, flags: Any, *_: object) -> None:
        # Who subscribes again hears what is retained again.
        if not flags.session_present:
            client.subscribe("#", qos=1)

    client.on_connect = connected
    client.on_subscribe = lambda *_: subscribed.set()

    def heard(_client: object, _data: object, message: Any) -> None:
        found = (message.topic, message.payload.decode(), message.retain)
        # What we had acknowledged when the broker stopped it may send again, and says so: that is not the sink's doing.
        if not (message.dup and found in listener.heard):
            listener.heard.append(found)

    client.on_message = heard
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    client.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
    client.loop_start()
    assert subscribed.wait(10)
    try:
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()


@asynccontextmanager
async def listening(broker: Mosquitto) -> AsyncIterator[Listener]:
    """What a newcomer hears, what is retained first."""
    import aiomqtt

    listener = Listener()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            listener.heard.append((str(message.topic), message.payload.decode(), message.retain))

    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("#", qos=1)
        task = asyncio.create_task(listen(client))
        try:
            yield listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_meter_has_a_retained_state_and_is_available(mosquitto: Mosquitto, delivering: Delivering) -> None:
    async with delivering(sink(mosquitto)) as (store, delivery):
        await store.append(readings(0, 3))
        assert await delivery.drained(10)
        async with listening(mosquitto) as listener:
            await until(lambda: listener.last(STATE) is not None and listener.last(BRIDGE) is not None)
            payload = json.loads(listener.last(STATE) or "")
            assert payload["key"] == reading(2).key
            assert payload["ts"] == "2026-11-21T10:02:01.250000Z"
            assert payload["values"]["energy"] == 1002
            assert payload["values"]["power"] is None
            assert payload["bad"] == {"power": "the meter has no value"}
            assert (listener.last(AVAILABILITY), listener.last(BRIDGE)) == ("online", "online")
            assert all(retained for *_, retained in listener.heard)
        async with listening(mosquitto) as listener:
            await until(lambda: listener.last(BRIDGE) == "online")
    async with listening(mosquitto) as listener:
        await until(lambda: listener.last(BRIDGE) == "offline")


async def test_home_assistant_is_told_before_the_first_state(mosquitto: Mosquitto, delivering: Delivering) -> None:
    async with listening(mosquitto) as listener, delivering(sink(mosquitto)) as (store, delivery):
        await store.append(readings(0, 2))
        assert await delivery.drained(10)
        await until(lambda: len(listener.of(STATE)) == 2)
        topics = [topic for topic, *_ in listener.heard]
        assert topics.index(DEVICE) < topics.index(AVAILABILITY) < topics.index(STATE)
        assert len(listener.of(DEVICE)) == 1
        assert json.loads(listener.of(DEVICE)[0])["state_topic"] == STATE


async def test_home_assistants_birth_brings_the_announcements_again(
    mosquitto: Mosquitto, delivering: Delivering
) -> None:
    import aiomqtt

    async with listening(mosquitto) as listener, delivering(sink(mosquitto, retain=False)) as (store, delivery):
        await store.append(readings(0, 1))
        assert await delivery.drained(10)
        await until(lambda: len(listener.of(DEVICE)) == 1)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish("homeassistant/status", "online", qos=1)
        await until(lambda: len(listener.of(DEVICE)) == 2 and len(listener.of(STATE)) == 2)


async def test_a_broker_that_stops_and_comes_back_misses_nothing_and_gets_nothing_twice(
    mosquitto: Mosquitto, delivering: Delivering
) -> None:
    with paho_listener(mosquitto) as listener:
        async with delivering(sink(mosquitto), batch=20) as (store, delivery):
            for start in range(0, 60, 20):
                await store.append(readings(start, start + 20))
            assert await delivery.drained(10)
            await until(lambda: len(listener.keys()) == 60)
            await asyncio.to_thread(mosquitto.stop)
            for start in range(60, 120, 20):
                await store.append(readings(start, start + 20))
            await until(lambda: delivery.status()[0].state is SinkState.DOWN)
            assert delivery.status()[0].waiting == 60
            await asyncio.to_thread(mosquitto.start)
            assert await delivery.drained(20)
            await until(lambda: len(listener.keys()) >= 120)
    assert listener.keys() == keys(readings(0, 120))


async def test_a_lost_broker_is_noticed_without_anything_to_write(mosquitto: Mosquitto, delivering: Delivering) -> None:
    async with delivering(sink(mosquitto)) as (_, delivery):
        await until(lambda: delivery.status()[0].state is SinkState.UP)
        await asyncio.to_thread(mosquitto.stop)
        await until(lambda: delivery.status()[0].state is SinkState.DOWN)
        assert "MQTT broker" in (delivery.status()[0].error or "")
        await asyncio.to_thread(mosquitto.start)
        async with listening(mosquitto) as listener:
            await until(lambda: listener.last(BRIDGE) == "online")


async def test_the_last_will_says_offline_when_the_connection_breaks(mosquitto: Mosquitto) -> None:
    one = sink(mosquitto, client_id="poller")
    await one.open()
    async with listening(mosquitto) as listener:
        await until(lambda: listener.last(BRIDGE) == "online")
        # A second client of that name takes the session over, which the broker treats like a broken connection.
        usurper = sink(mosquitto, client_id="poller", topics=Topics("other"))
        await usurper.open()
        await until(lambda: listener.last(BRIDGE) == "offline")
        with pytest.raises(SinkError, match="the MQTT broker was lost"):
            await one.watch()
        await usurper.close()
    await one.close()


async def test_what_the_broker_acknowledged_of_a_batch_that_failed_is_not_sent_again(mosquitto: Mosquitto) -> None:
    class Failing(MqttSink):
        left = 4

        async def _publish_reading(self, reading: Reading) -> None:
            if self.left == 0:
                raise SinkError("gone")
            self.left -= 1
            await super()._publish_reading(reading)

    async with listening(mosquitto) as listener:
        one = Failing("mqtt", MqttOptions("127.0.0.1", mosquitto.port))
        await one.open()
        with pytest.raises(SinkError):
            await one.write(readings(0, 10))
        await one.close()
        one.left = 100
        await one.open()
        await one.write(readings(0, 10))
        await one.write(readings(0, 10))
        await one.write(readings(10, 11))
        await one.close()
        await until(lambda: listener.last(BRIDGE) == "offline")
        await until(lambda: len(listener.keys()) >= 11)
        assert listener.keys() == keys(readings(0, 11))


async def test_a_bad_reading_makes_a_meter_unavailable_and_a_good_one_available(mosquitto: Mosquitto) -> None:
    bad = Reading("cellar/x", "cellar", METER, "5", START, quality=Quality.BAD, reason="no answer")
    async with listening(mosquitto) as listener:
        one = sink(mosquitto)
        await one.open()
        await one.write([reading(0), bad, reading(1), reading(2)])
        await one.close()
        await until(lambda: len(listener.keys()) == 4)
        assert listener.of(AVAILABILITY) == ["online", "offline", "online"]
        assert json.loads(listener.of(STATE)[1])["reason"] == "no answer"


async def test_a_value_that_a_deadband_left_out_is_still_in_the_state(mosquitto: Mosquitto) -> None:
    less = replace(reading(1), values=reading(1).values[1:])
    bad = Reading("cellar/x", "cellar", METER, "5", START, quality=Quality.BAD, reason="no answer")
    async with listening(mosquitto) as listener:
        one = sink(mosquitto)
        await one.open()
        await one.write([reading(0), less, bad, replace(less, key="later")])
        await one.close()
        await until(lambda: len(listener.keys()) == 4)
    shown = [json.loads(payload)["values"].get("energy") for payload in listener.of(STATE)]
    assert shown == [1000, 1000, None, 1000]
    assert json.loads(listener.of(STATE)[1])["values"]["volume"] == 101.5


async def test_values_can_have_topics_of_their_own(mosquitto: Mosquitto) -> None:
    async with listening(mosquitto) as listener:
        one = sink(mosquitto, values=True, discovery=False, topics=Topics("house/mbus"))
        await one.open()
        await one.write([reading(0)])
        await one.close()
        await until(lambda: listener.last("house/mbus/bridge/state") == "offline")
        assert listener.of(f"house/mbus/meter/{METER}/value/volume") == ["100.5"]
        assert listener.of(f"house/mbus/meter/{METER}/value/date") == ["2026-11-21"]
        assert not any(topic.startswith("homeassistant") for topic, *_ in listener.heard)


async def test_connections_are_shown_with_their_channel(mosquitto: Mosquitto, delivering: Delivering) -> None:
    async with listening(mosquitto) as listener, delivering(sink(mosquitto)) as (_, delivery):
        delivery.report(ConnectionStatus("cellar", ConnectionState.RUN, "main", counters={"reads": 5}))
        topic = "mbusbench/bus/cellar/state"
        await until(lambda: listener.last(topic) is not None)
        assert json.loads(listener.last(topic) or "")["actual"] == "main"
        delivery.report(ConnectionStatus("cellar", ConnectionState.RUN, "backup", error="no answer", error_time=START))
        await until(lambda: json.loads(listener.last(topic) or "")["actual"] == "backup")


async def test_what_is_wrong_with_a_broker_is_said_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("aiomqtt")
    port = free_port()
    with pytest.raises(SinkError, match=rf"MQTT broker 127\.0\.0\.1:{port}: .+") as caught:
        await MqttSink("mqtt", MqttOptions("127.0.0.1", port, password=Secret("hush-hush"))).open()
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
