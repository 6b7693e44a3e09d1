"""What hassfest asks of a custom integration: the manifest, and a text for everything that is shown."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from awesomeversion import AwesomeVersion
from custom_components.mbusbench.kinds import KINDS
from homeassistant.loader import Integration, async_get_integration
from packaging.requirements import Requirement

import mbusbench

HERE = Path(__file__).resolve().parent.parent / "custom_components" / "mbusbench"
MANIFEST = json.loads((HERE / "manifest.json").read_text())
TEXTS = {path.stem: json.loads(path.read_text()) for path in (HERE / "translations").glob("*.json")}


def paths(value: object, at: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {at}
    return {path for key, part in value.items() for path in paths(part, f"{at}.{key}" if at else key)}


def keywords(name: str, function: str, keyword: str) -> set[str]:
    """The texts that a file gives to a parameter of a method."""
    found = set()
    for node in ast.walk(ast.parse((HERE / name).read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == function:
            found |= {
                each.value.value for each in node.keywords if each.arg == keyword and hasattr(each.value, "value")
            }
    return found


def test_manifest_has_what_a_custom_integration_needs() -> None:
    keys = list(MANIFEST)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert MANIFEST["domain"] == HERE.name
    assert MANIFEST["documentation"].startswith("https://")
    assert MANIFEST["integration_type"] in {"device", "hub", "service"}
    assert MANIFEST["iot_class"] in {
        "assumed_state", "calculated", "cloud_polling", "cloud_push", "local_polling", "local_push"
    }  # fmt: skip
    assert AwesomeVersion(MANIFEST["version"]).strategy == "SemVer"
    assert MANIFEST["config_flow"] is (HERE / "config_flow.py").is_file()
    assert isinstance(MANIFEST["codeowners"], list)


def test_requirement_is_the_library_that_this_was_tested_with() -> None:
    (requirement,) = map(Requirement, MANIFEST["requirements"])
    assert requirement.name == "mbusbench"
    assert requirement.specifier.contains(mbusbench.__version__)


async def test_home_assistant_loads_it(hass) -> None:
    integration = await async_get_integration(hass, "mbusbench")
    assert isinstance(integration, Integration)
    assert (integration.is_built_in, integration.disabled, integration.config_flow) == (False, None, True)


@pytest.mark.parametrize("language", TEXTS)
def test_each_language_says_everything(language: str) -> None:
    assert paths(TEXTS[language]) == paths(TEXTS["en"])


def test_everything_that_is_shown_has_a_text() -> None:
    config, options = TEXTS["en"]["config"], TEXTS["en"]["options"]
    assert set(config["step"]) | set(options["step"]) == keywords("config_flow.py", "async_show_form", "step_id")
    assert set(config["progress"]) == keywords("config_flow.py", "async_show_progress", "progress_action")
    assert set(TEXTS["en"]["exceptions"]) == keywords("coordinator.py", "UpdateFailed", "translation_key")
    assert set(TEXTS["en"]["entity"]["sensor"]) == {quantity for quantity, _ in KINDS}
    constants = (HERE / "config_flow.py").read_text()
    assert all(f'"{name}"' in constants for name in config["error"])
