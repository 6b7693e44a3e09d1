"""A long run of random and damaged telegrams: `python -m tests.fuzz.campaign --inputs 1000000 --seed 1`.

No input may make `decode` or the FrameReader raise anything but DecodeError, lose a byte, or take longer than the
limit. Ends with a summary; exit code 1 where an input failed.
"""

from __future__ import annotations

import argparse
import gc
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from tests.fuzz.checks import check_decode, check_other_values, check_round_trip, check_stream, check_warm_as_cold
from tests.fuzz.inputs import ODD_VALUES, Inputs
from tests.outside.corpus import corpus_telegrams, recorded_telegrams
from tests.telegrams import OMS_KEY, every_frame

LIMIT = 1.0  # seconds of processor time: a busy machine makes no hang
_SHOWN_FAILURES = 20


class Hang(BaseException):
    """An input took longer than the limit. No Exception: nothing may swallow it."""


@dataclass
class Summary:
    """What a run found."""

    inputs: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    layouts: int = 0
    slowest: float = 0.0
    slowest_input: str = ""

    def text(self) -> str:
        """The closing summary, in lines."""
        lines = [f"{self.inputs} inputs in {self.seconds:.1f} s, {len(self.failures)} failed"]
        lines += [f"  made as {name}: {count}" for name, count in sorted(self.kinds.items())]
        lines += [f"  outcome {name}: {count}" for name, count in sorted(self.outcomes.items())]
        lines.append(f"  layouts judged with other values, warm against cold: {self.layouts}")
        lines.append(f"  slowest: {self.slowest * 1e3:.2f} ms of processor time, garbage collection not counted")
        lines.append(f"    {self.slowest_input}")
        lines += [f"  FAILED {failure}" for failure in self.failures[:_SHOWN_FAILURES]]
        return "\n".join(lines)


def seeds() -> list[bytes]:
    """What is damaged: the shared telegrams, and the corpus where it is there."""
    frames = list(every_frame().values())
    frames += [bytes.fromhex(telegram["hex"]) for telegram in (*recorded_telegrams(), *corpus_telegrams())]
    return frames


def _on_alarm(signum: int, frame: FrameType | None) -> None:
    raise Hang


def _as_text(data: bytes, source: random.Random) -> str:
    """Hex as people paste it, and what is none."""
    text = data.hex(source.choice((" ", ":", "-"))) if data and source.random() < 0.5 else data.hex()
    if source.random() < 0.3:
        place = source.randrange(len(text) + 1)
        text = text[:place] + source.choice(("x", " ", "\n", "é", "0", "\x00", "٣", "g")) + text[place:]
    return text


class CollectionTime:
    """Processor time that garbage collection took while this is entered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __enter__(self) -> CollectionTime:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.thread_time()
        else:
            self.seconds += time.thread_time() - self._started


def _check(given: bytes | str, data: bytes, source: random.Random, stream: bool, summary: Summary) -> str:
    outcome = check_decode(given)
    if source.random() < 0.1:
        check_decode(given, OMS_KEY)
    check_round_trip(data)
    if stream or source.random() < 0.2:
        check_stream(data, source)
    if data[6:7] == b"\x72" and outcome.startswith("read"):
        check_warm_as_cold(data[7:-2])
        if source.random() < 0.3 and check_other_values(data[7:-2], source, ODD_VALUES):
            summary.layouts += 1
    return outcome if isinstance(given, bytes) else "given as text: " + outcome


def _one(name: str, data: bytes, source: random.Random, summary: Summary) -> str:
    """The kind of outcome of one input; a failure is noted."""
    given = _as_text(data, source) if source.random() < 0.1 else data
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        return _check(given, data, source, name == "stream of frames and junk", summary)
    except Hang:
        failure = f"more than {LIMIT} s"
    except Exception as error:  # whatever it is: it is what this run looks for
        failure = f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    shown = repr(given) if isinstance(given, str) else ""
    summary.failures.append(f"{name}: {failure}: {shown} {data.hex()}")
    return "failed"


def run(inputs: int, seed: int, frames: Sequence[bytes]) -> Summary:
    """`inputs` inputs made out of `frames`; needs the main thread (a hang is ended by a signal)."""
    summary = Summary()
    made = iter(Inputs(seed, frames))
    source = random.Random(seed + 1)
    before = signal.signal(signal.SIGVTALRM, _on_alarm)
    started = time.perf_counter()
    try:
        with CollectionTime() as collection:
            for _ in range(inputs):
                name, data = next(made)
                begin = time.thread_time() - collection.seconds
                outcome = _one(name, data, source, summary)
                taken = time.thread_time() - collection.seconds - begin
                summary.inputs += 1
                summary.kinds[name] += 1
                summary.outcomes[outcome] += 1
                if taken > summary.slowest:
                    summary.slowest, summary.slowest_input = taken, f"{name}: {data.hex()}"
    finally:
        signal.signal(signal.SIGVTALRM, before)
    summary.seconds = time.perf_counter() - started
    return summary


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    frames = seeds()
    print(f"seed {options.seed}, {len(frames)} telegrams to damage")
    summary = run(options.inputs, options.seed, frames)
    print(summary.text())
    return 1 if summary.failures else 0


if __name__ == "__main__":
    sys.exit(main())
