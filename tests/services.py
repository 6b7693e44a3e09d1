"""Servers that tests start for themselves, from the system's packages: on free ports, gone when the tests are over."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_NUMBERS = count(1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def postgresql_programs() -> Path | None:
    """The directory of `initdb` and `pg_ctl`, which Debian has beside the PATH."""
    found = [Path(each).parent for each in (shutil.which("initdb"),) if each]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in reversed(found) if (each / "initdb").exists() and (each / "pg_ctl").exists()), None)


def mosquitto_program() -> str | None:
    """The broker, which Debian has where only root looks."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A broker of its own, which keeps what is retained and queued over a stop. As root it runs as the package's user.

    `options` are further lines of its configuration.
    """

    def __init__(self, options: str = "") -> None:
        program = mosquitto_program()
        assert program is not None
        self._home = Path(tempfile.mkdtemp(prefix="mbusbench-mosquitto-", dir="/tmp"))
        self.port = free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self._home}/",
            f"log_dest file {self._home / 'log'}",
            "max_queued_messages 100000",
            options,
        ]
        (self._home / "mosquitto.conf").write_text("\n".join([*lines, ""]))
        self._command = [program, "-c", str(self._home / "mosquitto.conf")]
        if os.geteuid() == 0:
            shutil.chown(self._home, "mosquitto")
            self._command = ["setpriv", "--reuid=mosquitto", "--regid=mosquitto", "--clear-groups", *self._command]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1000):
            assert self._process.poll() is None, (self._home / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(10)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)


class PostgreSQL:
    """A server of its own. It does not run as root, so root gives it to the package's user."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._home = Path(tempfile.mkdtemp(prefix="mbusbench-postgresql-", dir="/tmp"))
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self._home, "postgres")
        self.port = free_port()
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-D", str(self._home / "data"))
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / program), *arguments]
        with open(os.devnull, "w") as nowhere:
            subprocess.run(command, cwd="/", stdout=nowhere, stderr=nowhere, check=True)

    def start(self) -> None:
        options = f"-k {self._home} -h 127.0.0.1 -p {self.port} -F"
        self._run("pg_ctl", "-w", "-D", str(self._home / "data"), "-l", str(self._home / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "-D", str(self._home / "data"), "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        self._run("createdb", *address, name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """No server while the block runs."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A server that takes connections and answers nothing."""
        leader = int((self._home / "data" / "postmaster.pid").read_text().splitlines()[0])
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(leader)], stdout=subprocess.PIPE, check=True).stdout
        group = [leader, *map(int, listed.split())]
        for number in group:
            os.kill(number, signal.SIGSTOP)
        try:
            yield
        finally:
            for number in group:
                os.kill(number, signal.SIGCONT)
