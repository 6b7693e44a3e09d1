from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mbusbench.definition.document import MAX_BYTES, parse_document, path_text, read_document
from mbusbench.errors import DefinitionError


def data(text: str) -> Any:
    return parse_document(text, "a.yaml").data


def complaint(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        parse_document(text, "a.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00012345", "00012345"),
        ("007", "007"),
        ("0", 0),
        ("-17", -17),
        ("0x35", 0x35),
        ("0o17", 15),
        ("017.5", "017.5"),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00"),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("1_000", "1_000"),
        ("=", "="),
        ("0b11", "0b11"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = data(f"a: {text}\n")
    assert found == {"a": value}
    assert isinstance(found["a"], type(value))
    assert isinstance(found["a"], bool) is isinstance(value, bool)


def test_keys_are_always_text() -> None:
    assert data("on: 1\n06:00: 2\n5: 3\nnull: 4\n") == {"on": 1, "06:00": 2, "5": 3, "null": 4}


def test_anchors_and_aliases_are_followed() -> None:
    assert data("a: &x {b: 1}\nc: [*x, *x]\n") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


def test_every_part_knows_its_place() -> None:
    document = parse_document("format: 1\nmeters:\n  - device: x\n    address: 300\n", "a.yaml")
    assert document.position(("meters", 0, "address")) == (4, 14)
    assert document.position(("meters", 0, "address"), key=True) == (4, 5)
    assert document.position(("meters", 0, "absent")) == (3, 5)
    assert str(document.mistake(("meters", 0, "address"), "wrong")) == "a.yaml:4:14 meters[0].address: wrong"


def test_path_text() -> None:
    assert path_text(("meters", 0, "address")) == "meters[0].address"
    assert path_text(()) == ""


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + last] * 10)}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x [*x]\n", "a.yaml:1:8: alias *x refers to itself"),
        ("a: *q\n", "a.yaml:1:4: alias *q refers to nothing before it"),
        ("[" * 100_000, "a.yaml:1:41: nested deeper than 40 levels"),
        ("a: {b: [1,2}\n", "a.yaml:1:12: a comma is missing, or the bracket [ before it has no ]"),
        ("", "a.yaml:1:1: the file is empty"),
        ("# only a comment\n", "a.yaml:1:1: the file is empty"),
        (
            "a: !!python/object:os.system x\n",
            "a.yaml:1:4: tags such as tag:yaml.org,2002:python/object:os.system are not allowed",
        ),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document: one file holds one document"),
        ("? [1]\n: 2\n", "a.yaml:1:3: a key must be plain text"),
        (BOMB, "a.yaml:5:35: more than 100000 values, aliases counted at each use"),
    ],
)
def test_what_is_no_file_of_ours(text: str, line: str) -> None:
    assert complaint(text) == line


def test_tabs_and_control_characters_are_refused() -> None:
    assert complaint("\ta: 1") == "a.yaml:1:1: a tab: indent with blanks"
    assert complaint("a: \x01") == "a.yaml:1:4: the character U+0001 is not possible in YAML"


def test_duplicate_keys_are_kept_for_the_report() -> None:
    document = parse_document("a: 1\nb: {c: 2, c: 3}\na: 2\n", "a.yaml")
    assert [str(mistake) for mistake in document.mistakes] == [
        "a.yaml:2:11 b: key 'c' is there twice, first in line 2",
        "a.yaml:3:1: key 'a' is there twice, first in line 1",
    ]
    assert document.data == {"a": 1, "b": {"c": 2}}


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "absent.yaml", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(DefinitionError) as caught:
            read_document(path)
        assert str(caught.value) == f"{path}: {reason}"


def test_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1024 * MAX_BYTES)
    with pytest.raises(DefinitionError, match=r"large\.yaml: larger than 4 MB"):
        read_document(path)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nunit: °C\n".encode("latin-1"))
    with pytest.raises(DefinitionError) as caught:
        read_document(path)
    assert str(caught.value) == f"{path}:2:7: not UTF-8 text"


def test_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(path).data == {"a": 1}
