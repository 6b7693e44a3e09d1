from __future__ import annotations

import pytest

from mbusbench.definition.template import Template, TemplateError, filled

VALUES = {"n": 3, "address": 12}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1000{n:04}", "10000003"),
        ("{n}", 3),
        ("{100 + 5*n}", 115),
        ("{ (n + 1) * -2 }", -8),
        ("{address - n - 1}", 8),
        ("{2 + 3*n*n}", 29),
        ("{0.1 * n}", 0.3),
        ("{0.5 * 4}", 2),
        ("{n:02X}", "03"),
        ("{10 + n:02X}", "0D"),
        ("hall {address}, {n}", "hall 12, 3"),
        ("{{n}}", "{n}"),
        ("plain", "plain"),
        ("{n}{n}", "33"),
    ],
)
def test_places_are_filled_in(text: str, value: str | float) -> None:
    assert Template(text, VALUES).value(VALUES) == value


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "{n",
        "{}",
        "{n n}",
        "{n/2}",
        "{n**2}",
        "{(n}",
        "{n)}",
        "{+}",
        "{n.real}",
        "{__import__('os')}",
        "{n:>9}",
        "{n!r}",
        "{n:100}",
        "{other}",
        "{" * 151,
        "{" + "(" * 150 + "}",
        "{n}" * 100,
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Template(text, VALUES).value(VALUES)


@pytest.mark.parametrize("text", ["{999999999*999999999*999999999}", "{0.5:04}"])
def test_number_that_does_not_go_there_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"18 digits|no whole number"):
        Template(text, VALUES).value(VALUES)


def test_data_is_filled_in_everywhere_but_in_keys() -> None:
    data = {"counter": {"start": "{n}", "{n}": 1}, "list": ["{n:02}", 5, None, True]}
    assert filled(data, VALUES) == {"counter": {"start": 3, "{n}": 1}, "list": ["03", 5, None, True]}


def test_mistake_in_data_says_where_it_is() -> None:
    with pytest.raises(TemplateError, match="there are n and address") as caught:
        filled({"a": [1, "{m}"]}, VALUES)
    assert caught.value.path == ("a", 1)
