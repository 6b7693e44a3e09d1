"""A Dockerfile as data, and its steps carried out in directories instead of containers.

Only what ours uses: stages, COPY of files and directories, RUN, ENV, WORKDIR, and the words in JSON form.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TOOLS = ("groupadd", "useradd")


@dataclass(frozen=True)
class Instruction:
    """`FROM image AS name` has the word FROM and the rest as written, lines joined."""

    word: str
    text: str

    def words(self) -> list[str]:
        return json.loads(self.text[self.text.index("[") :]) if "[" in self.text else self.text.split()


def instructions(path: Path) -> list[Instruction]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(None, 1)) for line in text.splitlines() if line.strip()]


class Stage:
    """A directory that stands for the root of a container."""

    def __init__(self, root: Path, tools: Path) -> None:
        self.root = root
        self.directory = "/"
        self.environment: dict[str, str] = {}
        self.moved: list[str] = []
        """Absolute paths that are below `root` here."""
        self._tools = tools
        for name in ("passwd", "group", "shadow", "gshadow"):
            (root / "etc").mkdir(parents=True, exist_ok=True)
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), root / "etc" / name)

    def at(self, path: str) -> Path:
        """Where a path of the container is."""
        inside = os.path.normpath(os.path.join(self.directory, path))
        return self.root / inside.lstrip("/")

    def here(self, text: str) -> str:
        """A command with its paths where they are."""
        for path in sorted(self.moved, key=len, reverse=True):
            text = re.sub(rf"(?<![\w/.]){re.escape(path)}(?![\w-])", str(self.root / path.lstrip("/")), text)
        return text

    def path_variable(self) -> str:
        own = self.here(self.environment.get("PATH", "").removesuffix("$PATH").rstrip(":"))
        return ":".join(part for part in (str(self._tools), own, os.environ["PATH"]) if part)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "VIRTUAL"))}
        given = {name: value for name, value in self.environment.items() if name != "PATH"}
        return subprocess.run(
            ["/bin/sh", "-ec", self.here(command)],
            cwd=self.at("."),
            env={**kept, **given, "PATH": self.path_variable(), "ROOT": str(self.root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )


def build(path: Path, context: Path, target: Path) -> Stage:
    """Carry the steps out; the last stage."""
    tools = _tools(target / "tools")
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for number, step in enumerate(instructions(path)):
        if step.word == "FROM":
            _, *rest = step.text.split()
            name = rest[1] if rest else str(number)
            stage = stages[name] = Stage(target / name, tools)
            continue
        assert stage is not None
        match step.word:
            case "WORKDIR":
                stage.directory = step.text
                stage.at(".").mkdir(parents=True, exist_ok=True)
            case "ENV":
                stage.environment |= dict(pair.split("=", 1) for pair in step.text.split())
            case "COPY":
                _copy(step, stage, stages, context)
            case "RUN":
                stage.moved += re.findall(r"(?<![\w/.])/(?:opt|var/lib)/\w+", step.text)
                done = stage.run(step.text)
                assert done.returncode == 0, f"{step.text}\n{done.stdout}"
    assert stage is not None
    return stage


def _copy(step: Instruction, stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    words = step.words()
    source = None
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")]
    *names, last = words
    for name in names:
        found = source.at(name) if source is not None else context / name
        assert found.exists(), f"COPY {name}: there is no such file"
        goal = stage.at(last)
        if last.endswith("/"):
            goal = goal / found.name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            if source is not None:
                # An environment knows its own place: it is moved there by a link.
                goal.symlink_to(found)
                stage.moved.append(last)
            else:
                shutil.copytree(found, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(found, goal)


def _tools(directory: Path) -> Path:
    """`python` of this run, and programs that would change the host's users: they change those of the container."""
    directory.mkdir(parents=True)
    (directory / "python").symlink_to(sys.executable)
    for name in _TOOLS:
        program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        script = directory / name
        script.write_text(f'#!/bin/sh\nexec {program} --prefix "$ROOT" "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return directory
