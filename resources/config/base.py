"""What every table of a configuration file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class BaseConfig(BaseModel):
    """A table of the TOML file. An unknown key is a typing mistake, not a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)
