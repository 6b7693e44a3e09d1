"""Faults of a bus file and of Python: what is accepted, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbusbench.bus import Fault, VirtualBus
from mbusbench.bus.fault_action import Disconnect, PowerCycle
from mbusbench.bus.fault_kinds import KINDS
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.line.answer_faults import Late, Noise
from mbusbench.line.effect import Effect
from mbusbench.line.faults import EFFECTS, BitErrors, BitFlips, Delay, Drop, Gaps, ParityErrors, Replace, Truncate
from mbusbench.line.frame_faults import WrongChecksum, WrongLength, WrongStart
from mbusbench.timing import MILLISECOND, SECOND

HEAD = "format: 1\nmeters:\n  - {device: kamstrup/flowiq-2101, address: 5}\nfaults:\n"


def bus_file(directory: Path, *faults: str) -> Path:
    path = directory / "bus.yaml"
    path.write_text(HEAD + "".join(f"  - {fault}\n" for fault in faults), encoding="utf-8")
    return path


def effects(directory: Path, do: str) -> tuple[Effect, ...]:
    return VirtualBus.from_yaml(bus_file(directory, f"{{name: x, do: {do}}}")).faults["x"].definition.do


def test_faults_of_a_file_are_armed(tmp_path: Path) -> None:
    path = bus_file(
        tmp_path,
        "{name: first-two-lost, on: 5, frame: REQ_UD2, exactly: [1, 2], do: drop}",
        "{name: late, on: 10, every: 5, do: {delay: 600ms}}",
        "{name: noisy, probability: 0.01, do: {checksum: {xor: 0x01}}}",
    )
    faults = VirtualBus.from_yaml(path).faults
    assert [armed.name for armed in faults] == ["first-two-lost", "late", "noisy"]
    assert faults["first-two-lost"].definition.exactly == [1, 2]
    assert faults["late"].definition.do == (Delay(600 * MILLISECOND),)
    assert faults["noisy"].definition.do == (WrongChecksum(1, "xor"),)
    path.write_text("format: 1\nmeters: []\nfaults: []\n", encoding="utf-8")
    assert len(VirtualBus.from_yaml(path).faults) == 0


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        ("drop", [Drop()]),
        ("{drop: }", [Drop()]),
        ("{drop: {}}", [Drop()]),
        ("[drop]", [Drop()]),
        ("{delay: 1.5s}", [Delay(1500 * MILLISECOND)]),
        ("{delay: {duration: 1.5s}}", [Delay(1500 * MILLISECOND)]),
        ("late", [Late()]),
        ("{late: 0ms}", [Late(0)]),
        ("{truncate: 12}", [Truncate(12)]),
        ("checksum", [WrongChecksum()]),
        ("{checksum: zero}", [WrongChecksum(0, "set")]),
        ("{checksum: {set: 0x12}}", [WrongChecksum(0x12, "set")]),
        ("{length: -3}", [WrongLength(-3)]),
        ("{length: {which: second}}", [WrongLength(1, "second")]),
        ("{start: {value: 0x10, which: second}}", [WrongStart(0x10, "second")]),
        ('{replace: {data: "AA BB", at: -1}}', [Replace(b"\xaa\xbb", -1)]),
        ("{gaps: {duration: 1ms, after: 3}}", [Gaps(MILLISECOND, after=3)]),
        ("{bit_flips: [1, 21]}", [BitFlips((1, 21))]),
        ("{bit_errors: 0.5}", [BitErrors(0.5)]),
        ("{parity_errors: [0, -1]}", [ParityErrors((0, -1))]),
        ('{noise: "00"}', [Noise(b"\x00")]),
        ("{noise: {count: 3, delay: 1ms}}", [Noise(count=3, delay=MILLISECOND)]),
        ("{power_cycle: {after: 3, off: 2s, scope: meter}}", [PowerCycle(3, 2 * SECOND, "meter")]),
        ("{disconnect: 3}", [Disconnect(3)]),
        ("[{truncate: 3}, {delay: 1ms}]", [Truncate(3), Delay(MILLISECOND)]),
    ],
)
def test_steps(tmp_path: Path, do: str, expected: list[Effect]) -> None:
    assert effects(tmp_path, do) == tuple(expected)


def test_every_effect_of_the_line_is_a_kind() -> None:
    assert set(KINDS) == {*EFFECTS, "stuck_fcb", "power_cycle", "disconnect"}


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        ("{do: drop}", "5 faults[0]: 'name' is missing"),
        ("{name: x}", "5 faults[0]: 'do' is missing"),
        ("drop", "5 faults[0]: 'drop' is not a mapping (key: value)"),
        ('{name: "", do: drop}', "12 faults[0].name: '' is not a name: up to 64 letters, digits, spaces and . _ -"),
        ("{name: x, whn: 1, do: drop}", "15 faults[0]: unknown key 'whn'"),
        ("{name: x, tims: 1, do: drop}", "15 faults[0]: unknown key 'tims', did you mean 'times'?"),
        ("{name: x, do: drp}", "19 faults[0].do: there is no fault 'drp', did you mean 'drop'?"),
        ("{name: x, do: {dely: 1s}}", "20 faults[0].do: unknown key 'dely', did you mean 'delay'?"),
        ("{name: x, do: [drop, drp]}", "26 faults[0].do[1]: there is no fault 'drp', did you mean 'drop'?"),
        ("{name: x, do: []}", "19 faults[0].do: 0 steps are not 1 to 20"),
        (
            "{name: x, do: {}}",
            "19 faults[0].do: needs exactly one kind of fault; several, one after another, are a list",
        ),
        (
            "{name: x, do: {drop: , delay: 1s}}",
            "19 faults[0].do: needs exactly one kind of fault; several, one after another, are a list",
        ),
        ("{name: x, do: {drop: 5}}", "26 faults[0].do.drop: takes nothing"),
        ("{name: x, do: {checksum: 5}}", "30 faults[0].do.checksum: 5 is not a mapping of xor, set, zero"),
        ("{name: x, do: {checksum: {xr: 1}}}", "31 faults[0].do.checksum: unknown key 'xr', did you mean 'xor'?"),
        ("{name: x, do: {checksum: {xor: 0}}}", "36 faults[0].do.checksum.xor: 0 changes nothing"),
        ("{name: x, do: {checksum: {xor: 256}}}", "36 faults[0].do.checksum.xor: 256 is not in 0..255"),
        ("{name: x, do: {checksum: {xor: 1, set: 1}}}", "30 faults[0].do.checksum: needs one of xor, set, zero"),
        ("{name: x, do: delay}", "19 faults[0].do: delay needs 'duration': write {delay: ...}"),
        (
            "{name: x, do: {delay: 5}}",
            "27 faults[0].do.delay: 5 has no unit: write a duration as 5ms, 5s, 5min, 5h or 5d",
        ),
        ("{name: x, do: {delay: 0ms}}", "27 faults[0].do.delay: 0ms is not above 0ms"),
        ("{name: x, do: {delay: 2h}}", "27 faults[0].do.delay: 2h is not at most 1h"),
        ("{name: x, do: {babble: 0}}", "28 faults[0].do.babble: 0 is not in 1..100000"),
        ("{name: x, do: {stale: 17}}", "27 faults[0].do.stale: 17 is not in 1..16"),
        (
            "{name: x, do: {length: {which: last}}}",
            "36 faults[0].do.length.which: 'last' is not one of both, first, second",
        ),
        ("{name: x, do: {start: {which: both}}}", "35 faults[0].do.start.which: 'both' is not one of first, second"),
        ("{name: x, do: {bit_flips: [1, x]}}", "35 faults[0].do.bit_flips[1]: 'x' is not a whole number"),
        ("{name: x, do: {bit_errors: 2}}", "32 faults[0].do.bit_errors: 2 is not a probability above 0 and up to 1"),
        (
            "{name: x, do: {gaps: {duration: 1ms, every: 2, after: 2}}}",
            "59 faults[0].do.gaps.after: needs one of every, after",
        ),
        (
            "{name: x, do: {replace: 12}}",
            '29 faults[0].do.replace: 12 is a number here, hexadecimal text is wanted: write it in quotes ("12")',
        ),
        ("{name: x, on: 256, do: drop}", "19 faults[0].on: 256 is not in 0..255"),
        ("{name: x, on: [], do: drop}", "19 faults[0].on: must not be empty"),
        (
            "{name: x, frame: REQ_UD3, do: drop}",
            "22 faults[0].frame: 'REQ_UD3' is not one of SND_NKE, SND_UD, SELECTION, REQ_UD1, REQ_UD2, E5, A2, RSP_UD"
            ", did you mean 'REQ_UD2'?",
        ),
        ("{name: x, frame: E5, direction: request, do: drop}", "22 faults[0].frame: E5 is no request"),
        (
            "{name: x, bytes: 6, do: drop}",
            '22 faults[0].bytes: 6 is a number here, a pattern of bytes is wanted: write it in quotes ("6")',
        ),
        (
            "{name: x, bytes: G5, do: drop}",
            "22 faults[0].bytes: 'G5' is not a pattern of bytes such as 68 ?? ?? 68 08 05 *",
        ),
        ("{name: x, exactly: 0, do: drop}", "24 faults[0].exactly: 0 is not in 1..1000000000"),
        ("{name: x, exactly: 1, every: 2, do: drop}", "34 faults[0].every: does not go together with exactly"),
        ("{name: x, from: 2s, until: 1s, do: drop}", "32 faults[0].until: is not later than from"),
        (
            "{name: x, probability: 0, do: drop}",
            "28 faults[0].probability: 0 is not a probability above 0 and up to 1",
        ),
        ("{name: x, period: 1s, do: drop}", "23 faults[0].period: needs 'at', the first time"),
        ("{name: x, at: 1s, period: 10us, do: noise}", "31 faults[0].period: is shorter than 1ms"),
        (
            "{name: x, at: 1s, every: 2, do: noise}",
            "19 faults[0].at: does not go together with every: a fault waits for frames or for a time",
        ),
        ("{name: x, at: 1s, do: drop}", "27 faults[0].do: drop cannot happen to a time"),
        ("{name: x, direction: request, do: late}", "39 faults[0].do: late cannot happen to a request"),
        (
            "{name: x, frame: E5, do: stuck_fcb}",
            "30 faults[0].do: stuck_fcb comes before there is an answer: it takes no bytes, and requests only",
        ),
        ("{name: x, after: x, do: drop}", "22 faults[0].after: a fault cannot wait for itself"),
        ("{name: x, after: y, do: drop}", "22 faults[0].after: there is no fault 'y'"),
    ],
)
def test_mistakes_have_one_line_each(tmp_path: Path, fault: str, place: str) -> None:
    path = bus_file(tmp_path, fault)
    with pytest.raises(DefinitionError) as caught:
        VirtualBus.from_yaml(path)
    assert str(caught.value) == f"{path}:5:{place}"


def test_mistakes_between_faults(tmp_path: Path) -> None:
    path = bus_file(
        tmp_path,
        "{name: a, after: b, do: drop}",
        "{name: b, after: c, do: drop}",
        "{name: c, after: a, do: drop}",
        "{name: d, after: c, do: drop}",
        "{name: d, after: aa, do: drop}",
    )
    with pytest.raises(DefinitionError) as caught:
        VirtualBus.from_yaml(path)
    assert str(caught.value).splitlines() == [
        f"{path}:5:22 faults[0].after: 'a' and 'b' wait for each other",
        f"{path}:6:22 faults[1].after: 'b' and 'c' wait for each other",
        f"{path}:7:22 faults[2].after: 'c' and 'a' wait for each other",
        f"{path}:9:12 faults[4].name: 'd' is the name of faults[3]",
        f"{path}:9:22 faults[4].after: there is no fault 'aa', did you mean 'a'?",
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"do": "drp"}, "fault 'x': do: there is no fault 'drp', did you mean 'drop'?"),
        ({"do": "drop", "on": 256}, "fault 'x': on.0: 256 is not in 0..255"),
        ({"do": "drop", "whn": 5}, "fault 'x': whn: unknown key"),
        ({"do": "drop", "exactly": 1, "every": 2}, "fault 'x': every: does not go together with exactly"),
    ],
)
def test_wrong_fault_in_python_is_a_usage_error(keys: dict[str, object], message: str) -> None:
    with pytest.raises(MBusUsageError) as caught:
        Fault("x", **keys)
    assert str(caught.value) == message


def test_times_in_python_are_text_or_nanoseconds() -> None:
    fault = Fault("x", do=[Delay(5), "drop"], from_=SECOND, until="2s")
    assert (fault.from_, fault.until) == (SECOND, 2 * SECOND)
    assert fault.do == (Delay(5), Drop())
    assert Fault("x", do="noise", at=[SECOND, "2s"], period=SECOND).at == [SECOND, 2 * SECOND]
