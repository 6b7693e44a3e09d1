"""Servers that tests start for themselves, from the system's packages: on free ports, gone when the tests are over."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
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
