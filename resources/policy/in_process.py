"""Rego evaluated by regopy, without bounds: see `resources.policy.bounded`.

regopy is pinned to one version: two calls below its interface are needed, where its own would kill the process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from resources.errors import Refused

Sources = tuple[tuple[str, str], ...]  # files and their texts, by name


def evaluate(sources: Sources, query: str, question: Mapping[str, Any]) -> Any:
    """The value of `query`, None when it is undefined; raises :class:`Refused` when the rules cannot say it."""
    from regopy import Interpreter, LogLevel, RegoError
    from regopy.rego_shared import rego_free_output, rego_get_error, rego_output_ok, rego_output_string, rego_query

    interpreter = Interpreter()
    interpreter.log_level = LogLevel.NONE  # it prints
    interpreter.strict_built_in_errors = True
    for file, text in sources:
        try:
            interpreter.add_module(file, text)
        except RegoError as error:
            raise Refused(
                f"The policy does not parse: {_first_error(str(error), text)}.",
                remedy=f"mend {file}; `nightcart policy test` says whether it is right.",
            ) from error
    interpreter.set_input(_escaped(question))
    files = ", ".join(file for file, _ in sources)
    remedy = f"mend the rules in {files}; `nightcart policy test` says whether they are right."
    # Not Interpreter.query: where the rules cannot be compiled there is no output, and to read that kills the process.
    output = rego_query(interpreter._impl, query)
    if output is None:
        why = _first_error(rego_get_error(interpreter._impl))
        raise Refused(f"The policy cannot be evaluated: {why}.", remedy=remedy)
    try:
        is_ok, text = rego_output_ok(output), rego_output_string(output)
    finally:
        rego_free_output(output)
    if text == "undefined":
        return None
    try:
        if not is_ok:
            raise ValueError("a rule fails on what it was asked, or two of them contradict each other")
        return json.loads(text)["expressions"][0]
    except (ValueError, KeyError, IndexError) as error:
        why = _first_error(text) if text.startswith("(error") else str(error)
        raise Refused(
            f"{query.removeprefix('data.')} of the policy cannot be evaluated: {why}.", remedy=remedy
        ) from error


def _escaped(value: Any) -> Any:
    """`value` with its texts as JSON writes them: so the engine keeps those of the rules, and so it gives all back."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)[1:-1]
    if isinstance(value, Mapping):
        return {_escaped(name): _escaped(each) for name, each in value.items()}
    return [_escaped(each) for each in value] if isinstance(value, list | tuple) else value


def _first_error(said: str, text: str = "") -> str:
    """The engine's first message in words, with its line in `text`."""
    message = re.search(r"\(errormsg \d+:(.*?)\)\s*\n", said)
    place = re.search(r"\|(\d+)\|\d+", said)
    words = message[1] if message else " ".join(said.split())[:200]
    return f"{words}, line {text[: int(place[1])].count(chr(10)) + 1}" if place and text else words
