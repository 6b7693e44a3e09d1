"""Sphinx configuration. `tox -e docs` builds with warnings as errors; the table of devices is made from their files."""

from __future__ import annotations

import re
from typing import Any

from mbusbench import __version__
from mbusbench.codec import device_type
from mbusbench.codec.header import manufacturer_letters
from mbusbench.meter import catalogue

project = "mbusbench"
author = "mbusbench contributors"
project_copyright = "mbusbench contributors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "mbusbench"
exclude_patterns = ["_build"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}

DEVICES_MARK = "<!-- devices -->"


def devices_table() -> str:
    """Every device of the catalogue, a row each."""
    rows = [
        "| device | code | medium | telegrams | records | confidence | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in catalogue.names():
        device = catalogue.load(name)
        confidence = device.confidence.value if device.confidence is not None else ""
        cells = (
            f"`{name}`",
            manufacturer_letters(device.device.manufacturer),
            device_type.name(device.device.medium).replace("_", " "),
            str(len(device.telegrams)),
            str(sum(len(telegram.records) for telegram in device.telegrams)),
            confidence,
            re.sub(r"[|<]", " ", " ".join((device.description or "").split())),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def fill_in(app: Any, page: str, source: list[str]) -> None:
    """Puts the table where a page has its mark."""
    if DEVICES_MARK in source[0]:
        source[0] = source[0].replace(DEVICES_MARK, devices_table())


def setup(app: Any) -> None:
    app.connect("source-read", fill_in)
