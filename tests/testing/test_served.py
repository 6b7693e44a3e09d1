"""A bus in a thread, for code that blocks."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

import mbusbench
from mbusbench.bus import Fault, VirtualBus
from mbusbench.errors import DefinitionError, MBusConnectionError, MBusUsageError
from mbusbench.testing import sources

RESET = bytes.fromhex("10 40 00 40 16")


def reset(server: mbusbench.testing.ServedBus) -> bytes:
    with socket.create_connection(server.address, timeout=5) as connection:
        connection.sendall(RESET)
        return connection.recv(1)


def test_blocking_code_is_answered_and_nothing_is_left_behind() -> None:
    with mbusbench.served(devices=["generic/water"]) as server:
        assert server.url == f"socket://{server.host}:{server.port}"
        assert reset(server) == b"\xe5"
        assert [exchange.result for exchange in server.exchanges] == ["answered"]
        assert "SND_NKE, address 0" in server.text()
        server.verify()
        address = server.address
    assert "mbusbench" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=5)
    with pytest.raises(MBusUsageError, match="not served"):
        _ = server.url
    server.stop()


def test_what_is_done_in_the_thread_comes_back_as_value_or_error() -> None:
    with mbusbench.served(devices=["generic/water"]) as server:
        assert server.do(lambda bus: bus.meter(0).address) == 0
        assert server.do(lambda _bus: server.do(lambda _bus: threading.current_thread().name)) == "mbusbench"
        with pytest.raises(MBusUsageError, match="no meter at address 7"):
            server.do(lambda bus: bus.meter(7))
    assert server.do(lambda bus: bus.meter(0).address) == 0


def test_faults_are_armed_and_waited_for_while_it_is_served() -> None:
    with mbusbench.served(devices=["generic/water"], speed="real") as server:
        server.arm(Fault("noise", at="1ms", do={"noise": {"data": "55"}}), {"name": "lost", "exactly": 2, "do": "drop"})
        with socket.create_connection(server.address, timeout=5) as connection:
            server.wait_for("noise")
            connection.sendall(RESET)
        with pytest.raises(AssertionError, match=r"^after 0\.01 s 0 of 1 hits of lost \("):
            server.wait_for("lost", timeout=0.01)
        server.disarm("lost")
        with pytest.raises(MBusUsageError, match="no fault named 'lost' is armed"):
            server.wait_for("lost")


def test_exit_raises_what_was_not_right_only_where_it_is_asked_for() -> None:
    lost = {"name": "lost", "do": "drop"}
    with mbusbench.served(devices=["generic/water"], faults=[lost]):
        pass
    with (
        pytest.raises(AssertionError, match="generic/water: 1 of 1 faults never fired"),
        mbusbench.served(devices=["generic/water"], faults=[lost], check="unfired"),
    ):
        pass
    with mbusbench.served(devices=["generic/water"], faults=[lost], check=True, allow=["lost"]):
        pass


def test_exception_that_leaves_the_block_has_the_trace() -> None:
    with (
        pytest.raises(ZeroDivisionError) as caught,
        mbusbench.served(devices=["generic/water"], check=True, faults=[{"name": "lost", "do": "drop"}]) as server,
    ):
        server.do(lambda _bus: 1 // 0)
    (note,) = caught.value.__notes__
    assert note.startswith("generic/water: 1 of 1 faults never fired:\n")
    assert "\n# generic/water, seed 0; " in note


def test_endpoints_of_a_bus_file_are_served_where_nobody_else_is(tmp_path: Path) -> None:
    path = tmp_path / "bus.yaml"
    path.write_text(
        "format: 1\nmeters: [{device: generic/water}]\n"
        "listen:\n  - {url: tcp://0.0.0.0:10001, gateway: {latency: 3ms}}\n"
        "  - rfc2217://127.0.0.1:10002\n  - pty:///tmp/never-there\n  - serial:///dev/ttyS99\n"
    )
    bus = VirtualBus.from_yaml(path)
    found = sources.free_endpoints(bus)
    assert [url for url, _ in found] == ["tcp://127.0.0.1:0", "rfc2217://127.0.0.1:0", "pty://"]
    assert found[0][1].gateway is not None
    with mbusbench.served(path) as server:
        assert [url.partition(":")[0] for url in server.urls] == ["socket", "rfc2217", server.urls[2]]
        assert server.port not in (10001, 10002)
    with mbusbench.served(path, endpoints=[f"pty://{tmp_path}/mbus"]) as server:
        assert server.urls == [f"{tmp_path}/mbus"]
        with pytest.raises(MBusUsageError, match="not served on a TCP port"):
            _ = server.address


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MBusUsageError, match="a bus file or of devices"):
        mbusbench.served()
    with pytest.raises(MBusUsageError, match=r"devices=\['generic/water'\]"):
        mbusbench.served(devices="generic/water")
    with pytest.raises(MBusUsageError, match="'fast' is not a speed"):
        mbusbench.served(devices=["generic/water"], speed="fast")
    with pytest.raises(MBusUsageError, match="is no fault such as"):
        mbusbench.served(devices=["generic/water"], faults=["lost"])  # type: ignore[list-item]
    with pytest.raises(MBusUsageError, match="made already"):
        mbusbench.served(VirtualBus(), seed=3)
    with pytest.raises(DefinitionError, match="absent"):
        mbusbench.served(tmp_path / "absent.yaml")
    with (
        mbusbench.served(devices=["generic/water"]) as server,
        pytest.raises(MBusConnectionError, match="cannot serve on"),
        mbusbench.served(devices=["generic/water"], endpoints=[f"tcp://127.0.0.1:{server.port}"]),
    ):
        pass
    with mbusbench.served(devices=["generic/water"]) as server, pytest.raises(MBusUsageError, match="already"):
        server.start()


def test_seed_of_a_name_is_the_same_everywhere() -> None:
    assert sources.seed_of("test_master.py::test_read") == 936239266
    assert sources.seed_of("test_master.py::test_read", 1) != sources.seed_of("test_master.py::test_read")


def test_a_bus_that_is_made_already_is_served_with_more_faults() -> None:
    bus = VirtualBus.from_devices(["generic/water"], seed=5)
    with mbusbench.served(bus, faults=[Fault("lost", do="drop")]) as server:
        assert server.bus is bus
    assert "lost" in bus.faults
    assert sources.build(devices=[*bus.meters, "generic/gas"]).meters[1] is bus.meters[0]
