"""What a fault can do: one row for each kind, with its parameters, their ranges and where it may happen.

A step of `do` is a kind's name (`drop`), a name with its main parameter (`delay: 600ms`), or with several in a mapping.
What is not given is the effect's own default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, Tag, create_model, model_validator

from mbusbench.bus.fault_action import Disconnect, PowerCycle, StuckFcb
from mbusbench.definition.fields import Byte, HexBytes, each_once, in_range, nanoseconds, one_of
from mbusbench.definition.validation import Definition, did_you_mean, mistake, shown
from mbusbench.line.effect import Effect
from mbusbench.line.faults import EFFECTS
from mbusbench.line.frame_faults import WrongChecksum

MAX_CHARACTERS = 100_000
MAX_DATA = 1000
MAX_STEPS = 20
LONGEST_FRAME = 261
BITS_OF_LONGEST_FRAME = LONGEST_FRAME * 11
OLDEST_TELEGRAM = 16
HOUR = 3600 * 10**9


class Place(Enum):
    """Where a fault may happen."""

    ANSWER = "answer"
    REQUEST = "request"
    TIME = "at"


class Which(Enum):
    """Which of two bytes."""

    BOTH = "both"
    FIRST = "first"
    SECOND = "second"


class Scope(Enum):
    """Whose power fails."""

    BUS = "bus"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `parameters` is the schema of what `build` takes, `main` the one that a bare value is."""

    name: str
    build: Callable[..., Effect]
    parameters: type[Definition]
    main: str | None
    places: frozenset[Place]


def _wait(low: int = 0) -> Any:
    """A duration from `low` ns to an hour."""

    def convert(value: object) -> int:
        found = nanoseconds(value)
        if not low <= found <= HOUR:
            raise mistake(f"{value} is not {'above 0ms' if found < low else 'at most 1h'}")
        return found

    return Annotated[int, PlainValidator(convert)]


def _bounded(value: bytes) -> bytes:
    if len(value) > MAX_DATA:
        raise mistake(f"{len(value)} bytes are more than {MAX_DATA}")
    return value


def _other_than_zero(value: int) -> int:
    if not value:
        raise mistake("0 changes nothing")
    return value


def _something_left(value: int) -> int:
    if not value:
        raise mistake("nothing is left of it: write drop")
    return value


def _one_of_two(value: Which) -> Which:
    if value is Which.BOTH:
        raise mistake("'both' is not one of first, second")
    return value


def _probability(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise mistake(f"{shown(value)} is not a probability above 0 and up to 1")


Data = Annotated[HexBytes, AfterValidator(_bounded)]
Probability = Annotated[float, PlainValidator(_probability)]
Count = Annotated[int, in_range(1, MAX_CHARACTERS)]
Cut = Annotated[int, in_range(0, LONGEST_FRAME)]
FrameIndex = Annotated[int, in_range(-LONGEST_FRAME, LONGEST_FRAME)]
BitNumber = Annotated[int, in_range(0, BITS_OF_LONGEST_FRAME)]
Difference = Annotated[int, in_range(-255, 255), AfterValidator(_other_than_zero)]


def _kind(
    effect: type[Effect],
    main: str | None = None,
    *,
    build: Callable[..., Effect] | None = None,
    places: tuple[Place, ...] = (Place.ANSWER, Place.REQUEST),
    needs: tuple[str, ...] = (),
    check: Callable[[Any], None] | None = None,
    **fields: Any,
) -> Kind:
    def bare(data: object) -> object:
        """A mapping out of a value alone: the main parameter, or the name of one that is switched on."""
        if isinstance(data, dict) or data is None:
            return data or {}
        if isinstance(data, str) and fields.get(data) is bool:
            return {data: True}
        if main is None:
            raise mistake(f"{shown(data)} is not a mapping of {', '.join(fields)}" if fields else "takes nothing")
        return {main: data}

    def checked(model: Any) -> Any:
        if check is not None:
            check(model)
        return model

    parameters = create_model(  # type: ignore[call-overload]
        f"{effect.__name__}Parameters",
        __base__=Definition,
        __validators__={
            "bare": model_validator(mode="before")(bare),
            "checked": model_validator(mode="after")(checked),
        },
        **{name: (kind, ... if name in needs else None) for name, kind in fields.items()},
    )
    return Kind(effect.name, build or effect, parameters, main, frozenset(places))


def _checksum(xor: int | None = None, set: int | None = None, zero: bool = False) -> WrongChecksum:  # noqa: A002
    if zero:
        return WrongChecksum(0, "set")
    if set is not None:
        return WrongChecksum(set, "set")
    return WrongChecksum() if xor is None else WrongChecksum(xor)


def _one_way(model: Any) -> None:
    if len(model.model_fields_set) > 1:
        raise mistake("needs one of xor, set, zero")


def _one_gap(model: Any) -> None:
    if {"every", "after"} <= model.model_fields_set:
        raise mistake("needs one of every, after", ["after"])


def _one_noise(model: Any) -> None:
    if {"data", "count"} <= model.model_fields_set:
        raise mistake("needs one of data, count", ["count"])


_EACH_ONCE = (Field(min_length=1), AfterValidator(each_once))
_BOTH = Annotated[Which, one_of(Which)]
_EITHER = Annotated[Which, one_of(Which), AfterValidator(_one_of_two)]
_ANSWER = (Place.ANSWER,)
_EVERYWHERE = tuple(Place)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(EFFECTS["drop"]),
        _kind(EFFECTS["delay"], "duration", needs=("duration",), duration=_wait(1)),
        _kind(EFFECTS["late"], "by", by=_wait(), places=_ANSWER),
        _kind(EFFECTS["truncate"], "keep", keep=Annotated[FrameIndex, AfterValidator(_something_left)]),
        _kind(
            EFFECTS["checksum"],
            build=_checksum,
            check=_one_way,
            xor=Annotated[Byte, AfterValidator(_other_than_zero)],
            set=Byte,
            zero=bool,
        ),
        _kind(EFFECTS["length"], "difference", difference=Difference, which=_BOTH),
        _kind(EFFECTS["start"], "value", value=Byte, which=_EITHER),
        _kind(EFFECTS["stop"], "value", value=Byte),
        _kind(EFFECTS["control"], "value", needs=("value",), value=Byte),
        _kind(EFFECTS["address"], "value", needs=("value",), value=Byte),
        _kind(EFFECTS["ci"], "value", needs=("value",), value=Byte),
        _kind(EFFECTS["replace"], "data", needs=("data",), data=Data, at=FrameIndex),
        _kind(EFFECTS["leading"], "data", needs=("data",), data=Data),
        _kind(EFFECTS["trailing"], "data", needs=("data",), data=Data, pause=_wait()),
        _kind(EFFECTS["duplicate"], "times", times=Annotated[int, in_range(1, 100)], pause=_wait()),
        _kind(
            EFFECTS["gaps"],
            "duration",
            needs=("duration",),
            check=_one_gap,
            duration=_wait(1),
            every=Count,
            after=Count,
        ),
        _kind(EFFECTS["dribble"], "interval", needs=("interval",), interval=_wait(1)),
        _kind(EFFECTS["babble"], "count", places=(Place.ANSWER, Place.TIME), count=Count, pattern=Data),
        _kind(EFFECTS["bit_flips"], "bits", needs=("bits",), bits=Annotated[list[BitNumber], *_EACH_ONCE]),
        _kind(EFFECTS["bit_errors"], "rate", needs=("rate",), rate=Probability),
        _kind(EFFECTS["parity_errors"], "characters", characters=Annotated[list[FrameIndex], *_EACH_ONCE]),
        _kind(EFFECTS["stale"], "back", places=_ANSWER, back=Annotated[int, in_range(1, OLDEST_TELEGRAM)]),
        _kind(EFFECTS["corrupted_acknowledge"], "value", places=_ANSWER, value=Byte),
        _kind(EFFECTS["doubled_acknowledge"], "pause", places=_ANSWER, pause=_wait()),
        _kind(EFFECTS["noise"], "data", places=_EVERYWHERE, check=_one_noise, data=Data, count=Count, delay=_wait()),
        _kind(StuckFcb, places=_ANSWER),
        _kind(PowerCycle, "after", places=_EVERYWHERE, after=Cut, off=_wait(), scope=Annotated[Scope, one_of(Scope)]),
        _kind(Disconnect, "after", places=_EVERYWHERE, after=Cut),
    )
}
"""Every kind of fault by its name."""


class _Step(Definition):
    @model_validator(mode="after")
    def _one_kind(self) -> _Step:
        if len(self.model_fields_set) != 1:
            raise mistake("needs exactly one kind of fault; several, one after another, are a list")
        return self

    def effect(self) -> Effect:
        """The effect that this step describes."""
        (name,) = self.model_fields_set
        given = getattr(self, name)
        return KINDS[name].build(**{key: _plain(getattr(given, key)) for key in given.model_fields_set})


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return tuple(value) if isinstance(value, list) else value


Step: type[_Step] = create_model(  # type: ignore[call-overload]
    "Step", __base__=_Step, **{kind.name: (kind.parameters, None) for kind in KINDS.values()}
)


def _name_alone(value: str) -> Effect:
    if value not in KINDS:
        raise mistake(f"there is no fault {value!r}{did_you_mean(value, KINDS)}")
    missing = [name for name, field in KINDS[value].parameters.model_fields.items() if field.is_required()]
    if missing:
        raise mistake(f"{value} needs {missing[0]!r}: write {{{value}: ...}}")
    return KINDS[value].build()


def _as_effect(step: _Step) -> Effect:
    return step.effect()


def _as_given(value: object) -> Effect:
    assert isinstance(value, Effect)
    return value


def _form(value: object) -> str:
    if isinstance(value, Effect):
        return "<effect>"
    if isinstance(value, list | tuple):
        return "<list>"
    return "<text>" if isinstance(value, str) else "<step>"


def _not_empty(effects: list[Effect]) -> tuple[Effect, ...]:
    if not 0 < len(effects) <= MAX_STEPS:
        raise mistake(f"{len(effects)} steps are not 1 to {MAX_STEPS}")
    return tuple(effects)


def _single(effect: Effect) -> tuple[Effect, ...]:
    return (effect,)


if TYPE_CHECKING:
    Do = tuple[Effect, ...]
else:
    _ONE = (
        Annotated[Step, AfterValidator(_as_effect), Tag("<step>")]
        | Annotated[str, AfterValidator(_name_alone), Tag("<text>")]
        | Annotated[object, PlainValidator(_as_given), Tag("<effect>")]
    )
    _EACH = Annotated[_ONE, Discriminator(_form)]
    Do = Annotated[
        Annotated[_EACH, AfterValidator(_single), Tag("<one>")]
        | Annotated[list[_EACH], AfterValidator(_not_empty), Tag("<list>")],
        Discriminator(lambda value: "<list>" if isinstance(value, list | tuple) else "<one>"),
    ]
"""One step or a list of steps, as effects in their order."""
