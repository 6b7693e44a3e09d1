"""Text with places for numbers, for entries that stand for many: `1000{n:04}`, `{100 + 5*n}`.

In braces stand numbers, the names that are known, + - * and parentheses, and behind a colon how many digits are wanted.
Nothing is evaluated but that. A text that is one place alone is a number; `{{` and `}}` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from mbusbench.definition.document import Path_
from mbusbench.definition.validation import did_you_mean, shown

MAX_LENGTH = 200
MAX_VALUE = 10**18
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]+)?)|([A-Za-z_]+)|([-+*()]))")
_FORMAT = re.compile(r"(0?)([1-9][0-9]?)([Xx]?)")

_Expression = Callable[[Mapping[str, int]], Fraction]


class Template:
    """A text whose places are filled in with `text` or `value`."""

    __slots__ = ("_parts", "source")

    def __init__(self, source: str, names: Iterable[str] = ("n",)) -> None:
        """`names` are known in places. ValueError, with words for whoever wrote it, where a place is none."""
        if len(source) > MAX_LENGTH:
            raise ValueError(f"{len(source)} characters are more than the {MAX_LENGTH} of a text with places")
        self.source = source
        self._parts: list[str | tuple[_Expression, str]] = []
        position = 0
        for match in _PART.finditer(source):
            self._parts.append(source[position : match.start()])
            position = match.end()
            if match[1] is not None:
                self._parts.append(_place(match[1], frozenset(names)))
            elif len(match[0]) == 2:
                self._parts.append(match[0][0])
            else:
                raise ValueError(f"{shown(source)} has a brace without its partner: write {match[0] * 2} for a brace")
        self._parts = [part for part in (*self._parts, source[position:]) if part]

    @property
    def is_constant(self) -> bool:
        """Whether there are no places."""
        return all(isinstance(part, str) for part in self._parts)

    def text(self, values: Mapping[str, int]) -> str:
        """The text with numbers in its places. ValueError where one does not go there."""
        return "".join(part if isinstance(part, str) else _written(*part, values) for part in self._parts)

    def value(self, values: Mapping[str, int]) -> str | int | float:
        """As `text`, but a number where the whole text is one place without a format."""
        if len(self._parts) == 1 and not isinstance(self._parts[0], str) and not self._parts[0][1]:
            number = _bounded(self._parts[0][0](values))
            return int(number) if number.denominator == 1 else float(number)
        return self.text(values)

    def __repr__(self) -> str:
        return self.source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)


class TemplateError(ValueError):
    """What is wrong with a text in the data that `filled` got, and the `path` to it."""

    def __init__(self, path: Path_, text: str) -> None:
        super().__init__(text)
        self.path = path


def filled(data: object, values: Mapping[str, int], path: Path_ = ()) -> object:
    """`data` with numbers in the places of all its texts, keys aside. TemplateError where one is none."""
    if isinstance(data, str) and ("{" in data or "}" in data):
        try:
            return Template(data, values).value(values)
        except ValueError as error:
            raise TemplateError(path, str(error)) from None
    if isinstance(data, dict):
        return {key: filled(each, values, (*path, key)) for key, each in data.items()}
    if isinstance(data, list):
        return [filled(each, values, (*path, index)) for index, each in enumerate(data)]
    return data


def _written(expression: _Expression, form: str, values: Mapping[str, int]) -> str:
    number = _bounded(expression(values))
    if number.denominator != 1:
        if form:
            raise ValueError(f"{float(number):g} is no whole number, as :{form} wants one")
        return f"{float(number):g}"
    return format(int(number), form)


def _bounded(number: Fraction) -> Fraction:
    if abs(number) > MAX_VALUE:
        raise ValueError("the number in a place has more than 18 digits")
    return number


def _place(text: str, names: frozenset[str]) -> tuple[_Expression, str]:
    body, colon, form = text.partition(":")
    match = _FORMAT.fullmatch(form)
    if colon and match is None:
        raise ValueError(f"{shown(form)} is not a number of digits such as 04 in {{{text}}}")
    return _Parser(text, body, names).whole(), form


class _Parser:
    def __init__(self, place: str, body: str, names: frozenset[str]) -> None:
        self._place = place
        self._names = names
        self._tokens: list[str] = []
        position = 0
        body = body.rstrip()
        while position < len(body):
            match = _TOKEN.match(body, position)
            if match is None:
                raise self._wrong()
            self._tokens.append(match[0].strip())
            position = match.end()
        self._tokens.reverse()

    def whole(self) -> _Expression:
        found = self._sum()
        if self._tokens:
            raise self._wrong()
        return found

    def _wrong(self) -> ValueError:
        known = ", ".join(sorted(self._names, key=lambda name: (len(name), name)))
        return ValueError(f"{{{self._place}}} is not made of numbers, {known}, + - * and parentheses")

    def _next(self) -> str:
        if not self._tokens:
            raise self._wrong()
        return self._tokens.pop()

    def _sum(self) -> _Expression:
        found = self._product()
        while self._tokens and self._tokens[-1] in "+-":
            found = _joined(self._tokens.pop(), found, self._product())
        return found

    def _product(self) -> _Expression:
        found = self._factor()
        while self._tokens and self._tokens[-1] == "*":
            found = _joined(self._tokens.pop(), found, self._factor())
        return found

    def _factor(self) -> _Expression:
        token = self._next()
        if token == "(":
            found = self._sum()
            if self._next() != ")":
                raise self._wrong()
            return found
        if token == "-":
            return _joined("-", _constant(Fraction(0)), self._factor())
        if token[0].isdigit():
            return _constant(Fraction(token))
        if not token[0].isalpha():
            raise self._wrong()
        if token not in self._names:
            raise ValueError(f"{{{self._place}}} has no {token!r}{did_you_mean(token, self._names)}: {self._known()}")
        return lambda values: Fraction(values[token])

    def _known(self) -> str:
        names = sorted(self._names, key=lambda name: (len(name), name))
        return f"there {'is' if len(names) == 1 else 'are'} {' and '.join(names)}"


def _constant(number: Fraction) -> _Expression:
    return lambda _values: number


def _joined(operator: str, left: _Expression, right: _Expression) -> _Expression:
    if operator == "*":
        return lambda values: left(values) * right(values)
    if operator == "-":
        return lambda values: left(values) - right(values)
    return lambda values: left(values) + right(values)
