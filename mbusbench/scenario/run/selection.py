"""Which cases are run: scenario files by path or directory, and of those the cases that a `-k` expression means."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from mbusbench.definition.document import read_document
from mbusbench.errors import DefinitionError, MBusUsageError
from mbusbench.scenario.file.matrix import SHARED, Variant, read_scenario

SANITY_FIRST = "SAN-01"
SANITY_LAST = "SAN-02"
_SUFFIXES = (".yaml", ".yml")
_TOKEN = re.compile(r'\s*(?:(?P<bracket>[()])|"(?P<quoted>[^"]*)"|(?P<word>(?:\[[^\]]*\]|[^\s()"])+))')
Test = Callable[[Variant], bool]


def shipped() -> Path:
    """The directory of the scenarios that come with the package: relative, where it is below the current one."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "_data" / "scenarios"
    found = installed if installed.is_dir() else package.parent / "scenarios"
    beside = Path(os.path.relpath(found))
    return found if beside.parts[:1] == ("..",) else beside


def catalogue() -> Path:
    """The conformance catalogue."""
    return shipped() / "conformance"


def scenario_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files as they are, and directories with all that is in them, sorted; each once. DefinitionError for others.

    Of a directory, files that others include and device and bus files are left out.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and is_scenario(each))
            if not files:
                raise DefinitionError(f"{path}: there is no scenario in this directory")
        elif path.exists():
            files = [path]
        else:
            raise DefinitionError(f"{path}: there is no such file or directory")
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def is_scenario(path: Path) -> bool:
    """What is no part for others is one, so that a scenario with mistakes is not overlooked."""
    if not path.is_file():
        return False
    data = read_document(path).data
    if not isinstance(data, dict) or "scenario" in data:
        return True
    return "format" not in data and not set(data) <= set(SHARED)


def read_cases(paths: Iterable[str | os.PathLike[str]]) -> list[Variant]:
    """All variants of all files, in order. DefinitionError with a line for each mistake of all files."""
    found: list[Variant] = []
    wrong: list[str] = []
    for path in scenario_files(paths):
        try:
            found += read_scenario(path)
        except DefinitionError as error:
            wrong.append(str(error))
    if wrong:
        raise DefinitionError("\n".join(wrong))
    known: dict[str, Path] = {}
    for variant in found:
        other = known.setdefault(variant.name, variant.path)
        if other != variant.path:
            raise DefinitionError(f"{variant.path}: {variant.name} is in {other}, too")
    if len(known) < len(found):
        names = [each.name for each in found]
        same = next(each for each in found if names.count(each.name) > 1)
        raise DefinitionError(
            f"{same.path}: two variants are called {same.name}: parameters that are mappings need a name"
        )
    return found


def sanity_at_the_ends(variants: Sequence[Variant]) -> list[Variant]:
    """SAN-01 first and SAN-02 last, where they are there; the others stay in order."""
    places = {SANITY_FIRST: 0, SANITY_LAST: 2}
    return sorted(variants, key=lambda each: places.get(each.id, 1))


def chosen(variants: Sequence[Variant], expression: str) -> list[Variant]:
    """Those that a `-k` expression means: words with `and`, `or`, `not` and parentheses.

    A word that is the whole name of a case (`LL-RTY-01b`) means that one. Any other means all that have it in their
    name or title, whatever the case of its letters; `*` and `?` stand for any characters of a name.
    MBusUsageError where it cannot be understood.
    """
    test = _Expression(expression, {each.name.lower() for each in variants}).parsed()
    return [each for each in variants if test(each)]


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """(token, whether it is a word by its quotes)."""
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise MBusUsageError(f"-k {text}: a quote has no end")
        position = match.end()
        yield match[match.lastgroup or 0], match.lastgroup == "quoted"


class _Expression:
    """Recursive descent: or, and, not, a word or an expression in parentheses."""

    def __init__(self, text: str, names: set[str]) -> None:
        self._text = text
        self._names = names
        self._tokens = list(_tokens(text))

    def parsed(self) -> Test:
        test = self._either()
        if self._tokens:
            raise self._wrong(f"{self._tokens[0][0]!r} is not expected there")
        return test

    def _wrong(self, why: str) -> MBusUsageError:
        return MBusUsageError(f"-k {self._text!r} is no expression such as 'LL and not LL-CHK': {why}")

    def _takes(self, *operators: str) -> bool:
        if self._tokens and self._tokens[0] in [(each, False) for each in operators]:
            self._tokens.pop(0)
            return True
        return False

    def _either(self) -> Test:
        tests = [self._both()]
        while self._takes("or"):
            tests.append(self._both())
        return lambda variant: any(test(variant) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._takes("and"):
            tests.append(self._one())
        return lambda variant: all(test(variant) for test in tests)

    def _one(self) -> Test:
        if self._takes("not"):
            test = self._one()
            return lambda variant: not test(variant)
        if self._takes("("):
            test = self._either()
            if not self._takes(")"):
                raise self._wrong("')' is missing")
            return test
        if not self._tokens:
            raise self._wrong("a word is missing")
        word, quoted = self._tokens.pop(0)
        if not quoted and word in ("and", "or", ")"):
            raise self._wrong(f"a word is missing before {word!r}")
        return self._word(word.lower())

    def _word(self, word: str) -> Test:
        if word in self._names:
            return lambda variant: variant.name.lower() == word
        if "*" in word or "?" in word:
            pattern = word.replace("[", "[[]")
            return lambda variant: fnmatchcase(variant.name.lower(), pattern)
        return lambda variant: word in variant.name.lower() or word in variant.definition.title.lower()
