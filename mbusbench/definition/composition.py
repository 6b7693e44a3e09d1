"""Documents made of parts of documents: a part alone, lists joined, mappings laid over each other, places filled in.

Every part keeps its file, line and column, so that a mistake in the whole is told where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mbusbench.definition.document import Document, Path_, _Node

_PLACE = re.compile(r"\{([a-z_]+)(?:\.([a-z_]+))?\}")


def part(document: Document, path: Path_) -> Document | None:
    """What stands at `path`, as a document of its own; None where nothing does."""
    node = document._root
    for each in path:
        following = (node.children or {}).get(each)
        if following is None:
            return None
        node = following
    return Document(document.name, node)


def keys(document: Document) -> list[str]:
    """Of a mapping; none where it is something else."""
    return list(document.data) if isinstance(document.data, dict) else []


def constant(document: Document, value: Any) -> Document:
    """A value that nobody wrote, at the beginning of `document`."""
    return Document(document.name, _Node(document._root.line, document._root.column, value))


def mapping(document: Document, entries: Mapping[str, Document]) -> Document:
    """A mapping of these, which says it is `document`."""
    former = document._root.keys or {}
    node = _Node(document._root.line, document._root.column, {}, 1, {}, {})
    assert node.children is not None
    assert node.keys is not None
    for key, each in entries.items():
        node.data[key] = each.data
        node.children[key] = each._root
        node.keys[key] = former.get(key, (each._root.line, each._root.column))
    return Document(document.name, node)


def joined(documents: Iterable[Document]) -> Document:
    """Lists, one after the other; what is no list counts as one of one."""
    parts = list(documents)
    node = _Node(parts[0]._root.line, parts[0]._root.column, [], 1, {})
    assert node.children is not None
    for each in parts:
        inner = each._root
        items = list((inner.children or {}).values()) if isinstance(inner.data, list) else [inner]
        for item in items:
            node.children[len(node.data)] = item
            node.data.append(item.data)
    return Document(parts[0].name, node)


def laid_over(below: Document, above: Document) -> Document:
    """Mappings merged at every depth; anything else in `above` replaces what is below."""
    if not (isinstance(below.data, dict) and isinstance(above.data, dict)):
        return above
    entries: dict[str, Document] = {}
    for key in [*below.data, *(key for key in above.data if key not in below.data)]:
        lower, upper = part(below, (key,)), part(above, (key,))
        found = laid_over(lower, upper) if lower and upper else upper or lower
        assert found is not None
        entries[key] = found
    result = mapping(above, entries)
    assert result._root.keys is not None
    for key in below.data:
        if key not in above.data and below._root.keys:
            result._root.keys[key] = below._root.keys[key]
    return result


def filled(document: Document, values: Mapping[str, Document]) -> Document:
    """With the values in the places `{name}` of all texts, and in `{name.key}` what a mapping has there.

    A text that is one place alone becomes the value itself.
    """
    return Document(document.name, _filled(document._root, values))


def _filled(node: _Node, values: Mapping[str, Document]) -> _Node:
    if isinstance(node.data, str):
        match = _PLACE.fullmatch(node.data)
        value = _value(match, values) if match else None
        if value is not None:
            return value._root
        text = _PLACE.sub(lambda found: _text(found, values), node.data)
        return node if text == node.data else _Node(node.line, node.column, text)
    if not node.children:
        return node
    children = {key: _filled(child, values) for key, child in node.children.items()}
    if all(children[key] is child for key, child in node.children.items()):
        return node
    data: Any = (
        [each.data for each in children.values()]
        if isinstance(node.data, list)
        else {key: each.data for key, each in children.items()}
    )
    return _Node(node.line, node.column, data, node.size, children, node.keys)


def _value(found: re.Match[str], values: Mapping[str, Document]) -> Document | None:
    value = values.get(found[1])
    return value if value is None or found[2] is None else part(value, (found[2],))


def _text(found: re.Match[str], values: Mapping[str, Document]) -> str:
    value = _value(found, values)
    return found[0] if value is None or isinstance(value.data, dict | list) else str(value.data)
