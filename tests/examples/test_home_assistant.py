"""What hassfest asks of the integration in examples/home-assistant: the manifest, and a text for everything shown.

Nothing here needs Home Assistant; `tests/interop/test_home_assistant.py` runs it in one.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import mbusbench

HERE = Path(__file__).resolve().parents[2] / "examples" / "home-assistant" / "custom_components" / "mbusbench"
MANIFEST = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
TEXTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (HERE / "translations").glob("*.json")}
KINDS_OF_IOT = {"assumed_state", "calculated", "cloud_polling", "cloud_push", "local_polling", "local_push"}


def paths(value: object, at: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {at}
    return {path for key, part in value.items() for path in paths(part, f"{at}.{key}" if at else key)}


def tree(name: str) -> ast.Module:
    return ast.parse((HERE / name).read_text(encoding="utf-8"))


def keywords(name: str, function: str, keyword: str) -> set[object]:
    """The texts that a file gives to a parameter of a function."""
    found: set[object] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == function:
            given = [each.value for each in node.keywords if each.arg == keyword]
            found |= {each.value for each in given if isinstance(each, ast.Constant)}
    return found


def quantities() -> set[object]:
    """Those that kinds.py has a row for."""
    (rows,) = (
        node.value
        for node in tree("kinds.py").body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "KINDS"
    )
    assert isinstance(rows, ast.Dict)
    return {key.elts[0].value for key in rows.keys if isinstance(key, ast.Tuple)}  # type: ignore[attr-defined]


def test_manifest_has_what_a_custom_integration_needs() -> None:
    keys = list(MANIFEST)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert MANIFEST["domain"] == HERE.name
    assert MANIFEST["documentation"].startswith("https://")
    assert MANIFEST["integration_type"] in {"device", "hub", "service"}
    assert MANIFEST["iot_class"] in KINDS_OF_IOT
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", MANIFEST["version"])
    assert MANIFEST["config_flow"] is (HERE / "config_flow.py").is_file()
    assert isinstance(MANIFEST["codeowners"], list)


def test_requirement_is_this_library() -> None:
    assert MANIFEST["requirements"] == [f"mbusbench=={mbusbench.__version__}"]


@pytest.mark.parametrize("language", TEXTS)
def test_each_language_says_everything(language: str) -> None:
    assert paths(TEXTS[language]) == paths(TEXTS["en"])


def test_everything_that_is_shown_has_a_text() -> None:
    config, options = TEXTS["en"]["config"], TEXTS["en"]["options"]
    assert set(config["step"]) | set(options["step"]) == keywords("config_flow.py", "async_show_form", "step_id")
    assert set(config["progress"]) == keywords("config_flow.py", "async_show_progress", "progress_action")
    assert set(TEXTS["en"]["exceptions"]) == keywords("coordinator.py", "UpdateFailed", "translation_key")
    assert set(TEXTS["en"]["entity"]["sensor"]) == quantities()
    flow = (HERE / "config_flow.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in flow for name in config["error"])


def test_entities_take_quantities_that_the_library_has() -> None:
    assert quantities() <= {each.value for each in mbusbench.MBusRecordType}
