"""Import paths of model families: versions, recipes and configurations name a class, and classes move."""

from __future__ import annotations

# Where families lived before: what names them so is still good.
MOVED = {"assets.training.models.": "assets.grocery.training.models."}


def split(family: str) -> tuple[str, str]:
    """Module and name of a class that `family` names as `module:name`, by its present path."""
    for before, now in MOVED.items():
        if family.startswith(before):
            family = now + family.removeprefix(before)
    module, _, name = family.partition(":")
    return module, name
