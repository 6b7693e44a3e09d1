"""README.md as something to run: its commands and its Python, each with the output that it promises.

In the promised output `...` stands for any number of lines, and at the end of a line for the rest of it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
PORT = "10001"
BIN = Path(sys.executable).parent
INSTALLED = shutil.which("mbusbench", path=str(BIN)) is not None
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "@@ "


def blocks(kind: str) -> list[str]:
    """The contents of the fenced blocks of one kind."""
    return [body for found, body in _BLOCK.findall(README.read_text(encoding="utf-8")) if found == kind]


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Each command of a console block with the lines below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def run_console(block: str, directory: Path) -> list[list[str]]:
    """What each command of the block prints in one shell, stdout and stderr; the port is another one."""
    port = _free_port()
    script = "set -m\n"
    for command, _ in commands(block):
        script += f"echo '{_MARK}'\n{command.replace(PORT, port)}\n"
        if command.endswith("&"):
            script += "until [ -s background ]; do sleep 0.05; done; cat background\n"
            script = script.replace("&\n", ">background 2>&1 &\n")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = [part.splitlines() for part in done.stdout.replace(port, PORT).split(f"{_MARK}\n")[1:]]
    assert not done.stderr, done.stderr
    return shown


def run_python(block: str, directory: Path) -> list[str]:
    """What the program prints."""
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=directory,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}


def shape(line: str) -> str:
    """A line without what may differ from run to run: digits, and the width of columns."""
    return re.sub(r"(─|-)+", "-", re.sub(r"\s+", " ", re.sub(r"\d+", "0", line))).strip()


def fits(promised: list[str], printed: list[str]) -> bool:
    """Whether the output has the promised shape."""
    pattern = "".join(
        r"(?:.*\n)*?"
        if line == "..."
        else re.escape(shape(line.removesuffix("..."))) + (r".*\n" if line.endswith("...") else r"\n")
        for line in promised
    )
    return re.fullmatch(pattern, "".join(f"{shape(line)}\n" for line in printed)) is not None
