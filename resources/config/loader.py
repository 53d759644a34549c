"""The settings in use: a TOML file of `config/`, with environment variables on top, checked and read once a process."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from resources import home
from resources.config.lifecycle import LifecycleSettings
from resources.config.retailer import Settings
from resources.errors import Refused

S = TypeVar("S", bound=LifecycleSettings)


@functools.cache
def load_settings(path: Path | None = None) -> Settings:
    """The grocery settings in use, or those of the file `path`; raises as :func:`read_settings`."""
    return read_settings(path or home.config_file(), Settings)


def read_settings(file: Path, kind: type[S]) -> S:
    """A domain's settings from its file.

    Raises :class:`Refused` when the file is missing or breaks the model, naming the setting.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Refused(
            f"There is no configuration file {file}.",
            remedy="name an existing one in NIGHTCART_CONFIG or with `nightcart use`, or write one with `nightcart init`.",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{file} is not valid TOML: {error}.", remedy="correct that line.") from error
    try:
        return kind(**values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise Refused(f"{file} is not a usable configuration: {problems}.", remedy="correct these settings.") from error
