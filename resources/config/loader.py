"""The settings in use: a TOML file of `config/`, with environment variables on top, checked and read once a process."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

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
    if file.exists() and not file.is_file():  # a pipe would be waited for without end
        raise Refused(f"{file} is a folder, a pipe or a device, and no file.", remedy="name a TOML file in UTF-8.")
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows puts a mark before a text
    except FileNotFoundError as error:
        raise Refused(
            f"There is no configuration file {file}.",
            remedy="name an existing one in NIGHTCART_CONFIG or with `nightcart use`, or write one with `nightcart init`.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"{file} cannot be read: {error}.", remedy="name a TOML file in UTF-8, or save this one as that."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{file} is not valid TOML: {error}.", remedy="correct that line.") from error
    try:
        return kind(**values)
    except ValidationError as error:
        problems = "; ".join(_problem(each) for each in error.errors())
        raise Refused(f"{file} is not a usable configuration: {problems}.", remedy="correct these settings.") from error


def _problem(error: ErrorDetails) -> str:
    """The key, what is wrong with it, and its value if the reason does not quote it."""
    key, says, value = ".".join(map(str, error["loc"])) or "file", error["msg"], error["input"]
    if error["type"] == "value_error":
        return f"{key}: {says.removeprefix('Value error, ')}"
    is_quoted = error["type"] not in ("missing", "extra_forbidden") and not isinstance(value, dict)
    return f"{key}: {says}" + f", not {value!r}" * is_quoted
