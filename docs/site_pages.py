"""Pages of the site that are not written: settings, commands and tables from the code, root pages, decisions by number.

A hook of MkDocs (mkdocs.yml). What is shown here is read from the classes themselves, so that it cannot be out of date.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo

PROJECT = Path(__file__).resolve().parent.parent
OUTSIDE = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    *(f"benchmarks/{p.name}" for p in (PROJECT / "benchmarks").glob("*.md")),
)
ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):(?=<code>)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the decision records in the navigation."""
    pages = sorted(path.name for path in (PROJECT / "docs" / "adr").glob("[0-9]*.md"))
    for entry in config.nav or []:
        if "Decisions" in entry:
            entry["Decisions"] = ["adr/index.md", *(f"adr/{page}" for page in pages)]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are generated, and those that stand outside docs/."""
    for path in OUTSIDE:
        text = (PROJECT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, path, content=text.replace("](docs/", "](")))
    for picture in (PROJECT / "benchmarks").glob("*.png"):
        files.append(File.generated(config, f"benchmarks/{picture.name}", abs_src_path=str(picture)))
    for name, lines in {"commands": commands(), "settings": settings(), "tables": tables()}.items():
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(lines) + "\n"))
    return files


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show what docstrings refer to as code, without Sphinx' roles."""
    return ROLE.sub("", html)


# ------------------------------------------------------------------------------------------------------------ settings


def settings() -> Iterator[str]:
    """Every setting of a retailer's file, a section a table of it."""
    from resources.config.deployment import DeploymentConfig
    from resources.config.retailer import Settings

    yield "# Settings\n"
    yield (
        "A retailer's file in `config/`, in TOML; `nightcart init` writes one. An environment variable wins over the file: "
        "`NIGHTCART_MODEL__SEED=7` is `seed` of `[model]`. An unknown key is refused.\n"
    )
    yield from _settings_of(Settings, "")
    yield "## The deployment\n"
    yield f"{inspect.cleandoc(DeploymentConfig.__doc__ or '')}\n"
    yield "| environment variable | type | default | meaning |\n|---|---|---|---|"
    for name, field in DeploymentConfig.model_fields.items():
        variable = field.validation_alias or f"NIGHTCART_{name.upper()}"
        yield f"| `{variable}` | {_type(field.annotation)} | {_default(field)} | {_cell(field.description or '')} |"


def _settings_of(model: type[BaseModel], section: str) -> Iterator[str]:
    yield f"## `[{section}]`\n" if section else "## The file itself\n"
    yield f"{inspect.cleandoc(model.__doc__ or '')}\n"
    yield "| setting | type | default | meaning |\n|---|---|---|---|"
    below = []
    for name, field in model.model_fields.items():
        if inner := _model_in(field.annotation):
            below.append((inner, f"{section}.{name}" if section else name))
        else:
            names = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [name]
            yield f"| `{'` or `'.join(map(str, names))}` | {_type(field.annotation)} | {_default(field)} | {_cell(field.description or '')} |"
    yield ""
    for inner, name in below:
        yield from _settings_of(inner, name)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *typing.get_args(annotation)):
        if inspect.isclass(each) and issubclass(each, BaseModel):
            return each
    return None


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(each) for each in arguments if each is not type(None))
    if origin in (list, tuple, dict):
        return f"{origin.__name__} of {', '.join(dict.fromkeys(_type(each) for each in arguments))}"
    return getattr(annotation, "__name__", str(annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "none" if value is None else f"`{_cell(str(value))}`" if str(value) else "empty"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


# ------------------------------------------------------------------------------------------------------------ commands


def commands() -> Iterator[str]:
    """Every command of the command line, as `--help` has it."""
    import typer

    from orchestration.cli import app

    yield "# Commands\n"
    yield (
        "As `nightcart COMMAND --help` says. After `make install` the program is `.venv/bin/nightcart`. It ends with 0 when all is "
        "done, 1 when something was refused or failed, 2 for wrong usage, and 75 when the same command may succeed later.\n"
    )
    yield from _commands_of(typer.main.get_command(app), "nightcart")


def _commands_of(command: Any, name: str) -> Iterator[str]:
    group = getattr(command, "commands", None)
    yield f"## `{name}`\n" if " " in name else ""
    # The docstring, which says `nightcart`: the help says how it is called on this machine.
    yield f"{(inspect.getdoc(command.callback) if command.callback and not group else command.help) or ''}\n"
    if group:
        for each in sorted(group):
            yield from _commands_of(group[each], f"{name} {each}")
        return
    rows = [_parameter(each) for each in command.params if each.name != "help"]
    if rows:
        yield "| argument or option | meaning |\n|---|---|"
        yield from rows
        yield ""


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    name = ", ".join(parameter.opts) if is_option else (parameter.metavar or parameter.name).upper()
    value = f" {parameter.metavar}" if is_option and parameter.metavar else ""
    required = " (required)" if parameter.required else ""
    return f"| `{name}{value}`{required} | {_cell(getattr(parameter, 'help', None) or '')} |"


# -------------------------------------------------------------------------------------------------------------- tables


def tables() -> Iterator[str]:
    """Every table of the grocery domain with its columns."""
    from assets.grocery import tables as declared
    from assets.grocery.features import tables as features

    yield "# Tables\n"
    yield "Delta tables below `{state}/tables`. Instants are in UTC, business days are local dates.\n"
    for table in (*declared.TABLES.values(), *features.TABLES.values()):
        yield f"## `{table.name}`\n"
        key = ", ".join(f"`{column}`" for column in table.key)
        yield f"Key: {key}.{f' Partitioned by `{table.partitioned_by}`.' if table.partitioned_by else ''}\n"
        yield "| column | type | holds |\n|---|---|---|"
        for name, (type_, what) in table.columns.items():
            yield f"| `{name}` | {type_} | {_cell(what)} |"
        yield ""
