"""What a master says that it can do: its conformance statement, from its driver file or its answer to `describe`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from mbusbench.definition.document import path_text
from mbusbench.definition.validation import Definition, mistakes_in
from mbusbench.scenario.driver.action import Action, ActionName, Transport


class Claims(Definition):
    """None: not said, so it is tried.

    `repeat`: several readouts in one process; `list`: several targets; `keys`: AES; `secondary`: secondary addresses;
    `retries`: repeats after the first attempt; `max_telegrams`: its own bound; `echo`: bears its own echo without being
    told; `point_to_point`: meant for one meter alone, so that it may use address 254.
    """

    transports: tuple[Transport, ...] | None = Field(default=None, strict=False)
    actions: tuple[ActionName, ...] | None = Field(default=None, strict=False)
    repeat: bool | None = None
    list: bool | None = None
    keys: bool | None = None
    secondary: bool | None = None
    retries: Annotated[int, Field(ge=0)] | None = None
    max_telegrams: Annotated[int, Field(ge=1)] | None = None
    echo: bool | None = None
    point_to_point: bool = False

    def supports(self, action: str) -> bool | None:
        """Whether an action is claimed; None where nothing is said about actions."""
        return None if self.actions is None else action in self.actions

    def exclude(self, action: Action, transport: Transport) -> str | None:
        """Why this master need not be asked for this, or None."""
        if self.transports is not None and transport not in self.transports:
            return f"{transport} is not claimed"
        if self.supports(action.name) is False:
            return f"{action.name} is not claimed"
        wanted = {
            "repeat": (action.repeat or 1) > 1,
            "list": len(action.targets) > 1,
            "keys": action.key is not None,
            "secondary": bool(action.secondary) and action.name not in ("search", "select"),
        }
        for name, is_wanted in wanted.items():
            if is_wanted and getattr(self, name) is False:
                return f"{name} is claimed not to be possible"
        return None


NO_CLAIMS = Claims()


def parse_claims(data: Mapping[str, Any]) -> Claims | str:
    """The claims in an answer to `describe`, or what is wrong with them."""
    try:
        return Claims.model_validate(dict(data))
    except ValidationError as error:
        path, text, _ = next(iter(mistakes_in(error, Claims)))
        return f"claims: {path_text(path)}: {text}" if path else f"claims: {text}"
