"""The policy: rules in Rego that say what is allowed, asked in process or of an OPA server, with the same answer.

A package of rules is given a question (any JSON) and has `allow`, a boolean, and `deny`, a set of `{rule, says}`: which
rule speaks against it, in a sentence; what else such an object has is handed on. A policy that does not parse, lacks
the package, fails a test of its own, cannot be evaluated or does not answer allows nothing: whoever asks is refused.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.errors import Refused, Unavailable
from resources.records.lifecycle import PolicyDecision

TESTS = "_test.rego"
TEST_RULE = re.compile(r"^(test_\w+)", re.MULTILINE)
PACKAGE = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)
SERVER_ANSWERS_WITHIN = 10  # seconds; it takes milliseconds

Sources = tuple[tuple[str, str], ...]  # files and their texts, by name


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A rule that denied, the sentence that it says, and what else it tells of what it denied."""

    rule: str
    says: str
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a package of the policy said to a question; `digest` is of the rules that said it."""

    package: str
    question: Mapping[str, Any]
    is_allowed: bool
    fired: tuple[Denial, ...]
    digest: str

    @classmethod
    def recorded(cls, record: PolicyDecision) -> Answer:
        """The answer that :meth:`on_record` put down."""
        fired = tuple(
            Denial(
                rule=one["rule"],
                says=one["says"],
                about={name: value for name, value in one.items() if name not in ("rule", "says")},
            )
            for one in record.fired
        )
        return cls(
            package=record.package,
            question=record.question,
            is_allowed=record.is_allowed,
            fired=fired,
            digest=record.policy_digest,
        )

    def on_record(self, *, subject: str, run_id: str, now: dt.datetime) -> PolicyDecision:
        """The record of it: to be added beside what was decided by it."""
        return PolicyDecision(
            package=self.package,
            subject=subject,
            question=self.question,
            is_allowed=self.is_allowed,
            fired=[{"rule": one.rule, "says": one.says, **one.about} for one in self.fired],
            policy_digest=self.digest,
            run_id=run_id,
            decided_at=now,
        )


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A test of the policy's own."""

    file: str
    name: str
    has_passed: bool


@dataclass(frozen=True)
class Policy:
    """The rules of one retailer: a folder of .rego files, and the address of an OPA server that answers instead."""

    folder: str
    server: str | None = None

    def ask(self, package: str, question: Mapping[str, Any]) -> Answer:
        """What `package` says to `question`.

        Raises :class:`Refused` when the policy cannot say it, :class:`Unavailable` when its server does not answer.
        """
        if self.server:
            document, digest = self._answer_of_server(self.server, package, question)
        else:
            document, digest = self._answer_in_process(package, question)
        return Answer(
            package=package,
            question=question,
            digest=digest,
            **_understood(document, package=package, where=self.server or self.folder),
        )

    def sources(self) -> Sources:
        """Every file of the policy, tests among them, by its path."""
        try:
            files = sorted(Path(self.folder).rglob("*.rego"))
            found = tuple((str(file), file.read_text(encoding="utf-8")) for file in files)
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"The policy cannot be read: {error}.", remedy=f"mend the files of {self.folder}.") from error
        if not found:
            raise Refused(
                f"There is no policy in {self.folder}: it has no .rego file.",
                remedy="name its folder in `[policy] path` of the configuration.",
            )
        return found

    def tested(self) -> list[Tested]:
        """The tests of the policy's own (rules `test_…` in `…_test.rego`), evaluated in process."""
        return list(_tested(self.sources()))

    def digest(self) -> str:
        """The digest of the rules that decide."""
        return self._digest_of_server(self.server) if self.server else _digest(self.sources())

    def _answer_in_process(self, package: str, question: Mapping[str, Any]) -> tuple[Any, str]:
        sources = self.sources()
        # The engine takes a misspelt name for something that is not so: the rule never denies, and nobody is told. The
        # tests are, so what fails them decides nothing.
        if failed := [test for test in _tested(sources) if not test.has_passed]:
            raise Refused(
                f"The policy fails {len(failed)} of its own tests, first {failed[0].name}; it decides nothing.",
                remedy=f"`nightcart policy test` shows them; mend the rules or {failed[0].file}.",
            )
        rules = tuple((file, text) for file, text in sources if not file.endswith(TESTS))
        return _evaluated(rules, f"data.{package}", question), _digest(sources)

    def _answer_of_server(self, server: str, package: str, question: Mapping[str, Any]) -> tuple[Any, str]:
        digest = self._digest_of_server(server)
        # A built-in function that fails makes a rule silent unless it is told to be strict; in process it is as well.
        path = f"/v1/data/{package.replace('.', '/')}?strict-builtin-errors=true"
        return _fetched(server, path, {"input": question}).get("result"), digest

    def _digest_of_server(self, server: str) -> str:
        try:
            policies = [(each["id"], each["raw"]) for each in _fetched(server, "/v1/policies")["result"]]
        except (KeyError, TypeError) as error:
            raise Refused(
                f"The OPA server {server} does not tell its policies.",
                remedy="let this client GET /v1/policies: decisions are recorded with the rules that made them.",
            ) from error
        return _digest(policies)


def _digest(sources: Iterable[tuple[str, str]]) -> str:
    """Of the rules' texts, whatever the files are called: an OPA server that was given the same has the same."""
    texts = sorted(hashlib.sha256(text.encode()).hexdigest() for file, text in sources if not file.endswith(TESTS))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


@functools.lru_cache(maxsize=4)
def _tested(sources: Sources) -> tuple[Tested, ...]:
    found = []
    for file, text in sources:
        names = TEST_RULE.findall(text) if file.endswith(TESTS) else []
        if not names:
            continue
        package = PACKAGE.search(text)
        document = _evaluated(sources, f"data.{package[1]}", {}) if package else None
        passed = document if isinstance(document, Mapping) else {}
        # A rule that does not hold is not there: the names are the text's.
        found += [Tested(file=file, name=name, has_passed=passed.get(name) is True) for name in dict.fromkeys(names)]
    return tuple(found)


def _evaluated(sources: Sources, query: str, question: Mapping[str, Any]) -> Any:
    """The value of `query` in process; None when it is undefined."""
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
        raise Refused(
            f"The policy cannot be evaluated: {_first_error(rego_get_error(interpreter._impl))}.", remedy=remedy
        )
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


def _understood(document: Any, *, package: str, where: str) -> dict[str, Any]:
    """`is_allowed` and `fired` from what a package said."""
    remedy = f"mend the rules in {where}: `{package}` has `allow`, a boolean, and `deny`, a set of {{rule, says}}."
    if not isinstance(document, Mapping) or not document:
        raise Refused(f"The policy has no package {package}.", remedy=remedy)
    allow, deny = document.get("allow"), document.get("deny")
    if not isinstance(allow, bool):
        raise Refused(f"{package} of the policy does not say whether it is allowed.", remedy=remedy)
    if not isinstance(deny, Sequence) or not all(_is_denial(one) for one in deny):
        raise Refused(f"{package} of the policy does not say which rules deny, and why.", remedy=remedy)
    fired = [
        Denial(
            rule=one["rule"],
            says=one["says"],
            about={name: value for name, value in one.items() if name not in ("rule", "says")},
        )
        for one in deny
    ]
    return {"is_allowed": allow, "fired": tuple(sorted(fired, key=lambda one: (one.rule, one.says)))}


def _is_denial(one: Any) -> bool:
    return isinstance(one, Mapping) and all(isinstance(one.get(name), str) for name in ("rule", "says"))


def _fetched(server: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The server's JSON; with a `body`, of a POST."""
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(
        server.rstrip("/") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=SERVER_ANSWERS_WITHIN) as response:
            found = json.load(response)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:300]
        # OPA says what is wrong with a rule or a request in JSON with a `code`; anything else is a server in trouble.
        if '"code"' in said or error.code < 500:
            raise Refused(
                f"The OPA server {server} cannot answer: {error.code}, {said}",
                remedy="mend the rules that it was given.",
            ) from error
        raise _no_answer(server, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _no_answer(server, error) from error
    except ValueError as error:
        raise Refused(
            f"What answers at {server} is no OPA server: it does not speak JSON.", remedy="correct `[policy] server`."
        ) from error
    if not isinstance(found, dict):
        raise Refused(f"What answers at {server} is no OPA server.", remedy="correct `[policy] server`.")
    return found


def _no_answer(server: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"The OPA server {server} does not answer ({error}); without it nothing is allowed.",
        remedy="start it, or take `[policy] server` out of the configuration: the policy is then evaluated in process.",
    )
