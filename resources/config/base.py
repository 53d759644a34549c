"""What every table of a configuration file has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class BaseConfig(BaseModel):
    """A table of the TOML file. An unknown key is a typing mistake, not a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def setting(default: Any, description: str, **bounds: Any) -> Any:
    """A setting that a file may leave out."""
    return Field(default=default, description=description, **bounds)
