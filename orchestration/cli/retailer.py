"""The commands that set a retailer up: `nightcart init` and `nightcart use`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resources import home
from resources.errors import Refused
from resources.settings import load_settings


def init(transactions: str) -> None:
    """Look at a retailer's files and write its configuration."""
    raise Refused("`nightcart init` is not written yet.", remedy="write config/NAME.toml by hand.")


def use(config: Annotated[Path, typer.Argument(help="A retailer's file, such as config/complete_journey.toml.")]) -> None:
    """Choose the retailer that every command works on."""
    file = config.resolve()
    load_settings(file)
    home.pointer().parent.mkdir(parents=True, exist_ok=True)
    home.pointer().write_text(str(file.relative_to(home.PROJECT) if file.is_relative_to(home.PROJECT) else file))
