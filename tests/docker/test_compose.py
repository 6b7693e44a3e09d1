"""docker/compose.yaml and the files it mounts fit together; the unit for systemd is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mbusbench.bus import VirtualBus
from mbusbench.poller.definition import PollerFile
from tests.docker.dockerfile import instructions

DOCKER = Path(__file__).resolve().parent.parent.parent / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
UNIT = DOCKER / "systemd" / "mbusbench-poll.service"


def mounts() -> dict[str, list[list[str]]]:
    return {name: [each.split(":") for each in service.get("volumes", ())] for name, service in SERVICES.items()}


def test_what_is_mounted_is_there_and_cannot_be_written() -> None:
    for found in mounts().values():
        for source, _, *mode in found:
            if source.startswith("."):
                assert (DOCKER / source).exists(), source
                assert mode == ["ro"]
            else:
                assert source in COMPOSE["volumes"]
    assert all((DOCKER / secret["file"]).is_file() for secret in COMPOSE["secrets"].values())


def test_ports_are_open_on_the_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_of_others_have_a_version() -> None:
    images = {service["image"] for service in SERVICES.values()} - {"mbusbench"}
    assert all(re.search(r":v?[0-9]+\.[0-9]+\.[0-9]+$", image) for image in images), images


def test_poller_reads_the_bench_and_prometheus_the_poller() -> None:
    for name in ("aiomqtt", "prometheus_client"):
        pytest.importorskip(name, reason=f"{name} is not installed (extra `poller`)")
    bus = VirtualBus.from_yaml(DOCKER / "bus.yaml")
    assert bus.listen == ("tcp://0.0.0.0:10001",)
    definition = PollerFile.read(DOCKER / "poller.yaml")
    addresses = {meter.address for meter in bus.meters}
    for connection in definition.complete:
        text = (DOCKER / "poller.yaml").read_text()
        assert "host: bench" in text or "socket://bench:10001" in text
        assert {meter.address for meter in connection.all_meters} <= addresses
    assert definition.http is not None
    host, port = definition.http.listen
    assert host == "0.0.0.0"
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"] == [{"targets": [f"poller:{port}"]}]
    assert scraped["job_name"] == "mbusbench"
    assert [step.text for step in instructions(DOCKER / "Dockerfile") if step.word == "EXPOSE"] == [str(port)]
    assert SERVICES["poller"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_grafana_finds_datasource_and_dashboards() -> None:
    provider = yaml.safe_load((DOCKER / "grafana/provisioning/dashboards/mbusbench.yaml").read_text())["providers"][0]
    targets = {target: source for source, target, *_ in mounts()["grafana"]}
    assert targets[provider["options"]["path"]] == "./grafana/dashboards"
    source = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert source["url"].startswith("http://prometheus:")
    assert "prometheus" in SERVICES


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (the system's package systemd)")
    text = UNIT.read_text()
    assert "ExecStart=/opt/mbusbench/bin/mbusbench poll " in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/mbusbench/bin/mbusbench", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_fits_what_the_poller_does() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"\w+=", line))
    assert settings["Type"] == "notify"
    assert settings["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert settings["RestartPreventExitStatus"] == "2"
    assert int(settings["WatchdogSec"]) >= 10
