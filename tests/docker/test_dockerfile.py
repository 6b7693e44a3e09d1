"""docker/Dockerfile without a container engine: its steps are carried out in a directory, and the result is started."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic, sleep

import pytest

from mbusbench.cli.healthcheck import DEFAULT_URL
from tests.docker.dockerfile import Stage, build, instructions

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = ROOT / "docker" / "Dockerfile"


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a name at the top out of the context."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if fnmatch(name, line.removeprefix("!")):
            verdict = not line.startswith("!")
    return verdict


def words(kind: str) -> list[list[str]]:
    return [step.words() for step in instructions(DOCKERFILE) if step.word == kind]


def test_what_is_copied_is_in_the_context_and_nothing_else_is() -> None:
    copied = {name for each in words("COPY") if not each[0].startswith("--") for name in each[:-1]}
    there = {each.name for each in ROOT.iterdir() if not ignored(each.name)}
    assert copied <= there
    assert there <= copied


def test_port_that_is_asked_for_health_is_the_exposed_one() -> None:
    (port,) = (step.text for step in instructions(DOCKERFILE) if step.word == "EXPOSE")
    assert f"http://127.0.0.1:{port}" == DEFAULT_URL


def test_last_stage_runs_as_a_numbered_user_without_privileges() -> None:
    ((user,),) = words("USER")
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", user)
    order = [step.word for step in instructions(DOCKERFILE)]
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert order.count("FROM") == 2


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    if os.geteuid() != 0 or not shutil.which("useradd", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("the steps are carried out by root, with useradd")
    return build(DOCKERFILE, ROOT, tmp_path_factory.mktemp("docker"))


@pytest.fixture
def running(stage: Stage, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What the image starts, with a configuration."""
    (tmp_path / "poller.yaml").write_text(
        "format: 1\nhttp: {listen: '127.0.0.1:0'}\nconnections:\n"
        "  - {name: house, url: 'socket://127.0.0.1:1', period: 1h, meters: [{address: 1}]}\n"
    )
    (entry,), (command,) = words("ENTRYPOINT"), words("CMD")[-1:]
    assert command[-1] == "/etc/mbusbench/poller.yaml"
    program = stage.at("/opt/mbusbench/bin") / entry[0]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [program, *command[:-1], tmp_path / "poller.yaml"], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    yield process
    process.kill()
    process.wait()


@pytest.mark.packaging
def test_steps_give_a_user_and_a_program(stage: Stage) -> None:
    users = {line.split(":")[0]: line.split(":") for line in stage.at("/etc/passwd").read_text().splitlines()}
    assert users["mbusbench"][2:4] == ["10001", "10001"]
    assert users["mbusbench"][5].endswith("/var/lib/mbusbench")
    assert users["mbusbench"][6] == "/usr/sbin/nologin"
    assert stage.at("/var/lib/mbusbench").is_dir()
    dialout = next(line for line in stage.at("/etc/group").read_text().splitlines() if line.startswith("dialout:"))
    assert dialout.endswith("mbusbench")
    done = stage.run("mbusbench --version && /opt/mbusbench/bin/python -m pip check")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("mbusbench ")


@pytest.mark.packaging
def test_image_finds_its_devices_and_checks_the_shipped_configuration(stage: Stage) -> None:
    done = stage.run(f"mbusbench devices && mbusbench poll --check {ROOT / 'docker' / 'poller.yaml'}")
    assert done.returncode == 0, done.stdout
    assert "kamstrup/multical-603" in done.stdout
    assert "no mistakes" in done.stdout


@pytest.mark.packaging
def test_what_the_image_starts_is_healthy_and_ends_by_sigterm(
    stage: Stage, running: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (healthcheck,) = (step for step in instructions(DOCKERFILE) if step.word == "HEALTHCHECK")
    end = monotonic() + 60
    while not (found := re.search(r"http://127\.0\.0\.1:[0-9]+", (tmp_path / "log").read_text())):
        assert running.poll() is None, (tmp_path / "log").read_text()
        assert monotonic() < end
        sleep(0.1)
    command = f"{' '.join(healthcheck.words())} {found[0]}"
    done = stage.run(command)
    assert done.stdout == '{"status":"alive"}\n'
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0
    assert stage.run(command).returncode == 1
