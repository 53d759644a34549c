"""The policy: rules in Rego that say what is allowed, evaluated in a process of its own or by an OPA server, with the same answer.

A package of rules is given a question (any JSON) and has `allow`, a boolean, and `deny`, a set of `{rule, says}`: which
rule speaks against it, in a sentence; what else such an object has is handed on. A policy that does not parse, lacks
the package, fails a test of its own, cannot be evaluated or does not answer allows nothing: whoever asks is refused.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.errors import Refused
from resources.policy import bounded, opa
from resources.policy.bounded import TESTS, PolicyTest
from resources.policy.in_process import Sources
from resources.records.lifecycle import PolicyDecision


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A rule that denied, the sentence that it says, and what else it tells of what it denied."""

    rule: str
    says: str
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Denial:
        """The denial that the rules, or a record, write as `{rule, says, …}`."""
        about = {name: value for name, value in document.items() if name not in ("rule", "says")}
        return cls(rule=document["rule"], says=document["says"], about=about)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a package of the policy said to a question; `digest` is of the rules that said it.

    What `fired` denies or, where it `is_allowed` all the same, only notes.
    """

    package: str
    question: Mapping[str, Any]
    is_allowed: bool
    fired: tuple[Denial, ...]
    digest: str

    @classmethod
    def recorded(cls, record: PolicyDecision) -> Answer:
        """The answer that :meth:`on_record` put down."""
        return cls(
            package=record.package,
            question=record.question,
            is_allowed=record.is_allowed,
            fired=tuple(map(Denial.of, record.fired)),
            digest=record.policy_digest,
        )

    def on_record(self, *, subject: str, run_id: str, now: dt.datetime) -> PolicyDecision:
        """The record of it, to be added with the record of what was decided by it."""
        return PolicyDecision(
            package=self.package,
            subject=subject,
            question=self.question,
            is_allowed=self.is_allowed,
            fired=[{"rule": denial.rule, "says": denial.says, **denial.about} for denial in self.fired],
            policy_digest=self.digest,
            run_id=run_id,
            decided_at=now,
        )


@dataclass(frozen=True)
class Policy:
    """The rules of one domain: a folder of .rego files, and the address of an OPA server that answers instead."""

    folder: str
    server: str | None = None

    def ask(self, package: str, question: Mapping[str, Any]) -> Answer:
        """What `package` says to `question`.

        Raises :class:`Refused` when the policy cannot say it, :class:`Unavailable` when its server does not answer.
        """
        if self.server:
            digest, document = self.digest(), opa.evaluate(self.server, package, question)
        else:
            sources = self.sources()
            # The engine takes a misspelt name for something that is not so: the rule never denies, and nobody notices. The
            # tests do, so a policy that fails them decides nothing.
            if failed := [test for test in bounded.test_results(sources) if not test.has_passed]:
                raise Refused(
                    f"The policy fails {len(failed)} of its own tests, first {failed[0].name}; it decides nothing.",
                    remedy=f"`nightcart policy test` shows them; mend the rules or {failed[0].file}.",
                )
            rules = tuple((file, text) for file, text in sources if not file.endswith(TESTS))
            digest, document = _digest(sources), bounded.evaluate(rules, f"data.{package}", question)
        is_allowed, fired = _understood(document, package=package, where=self.server or self.folder)
        return Answer(package=package, question=question, is_allowed=is_allowed, fired=fired, digest=digest)

    def sources(self) -> Sources:
        """Every file of the policy, tests among them, by its path."""
        try:
            files = sorted(Path(self.folder).rglob("*.rego"))
            # A pipe, say, which nobody writes into.
            if odd := next((file for file in files if not file.is_file()), None):
                raise OSError(f"{odd} is no file")
            sources = tuple((str(file), file.read_text(encoding="utf-8")) for file in files)
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"The policy cannot be read: {error}.", remedy=f"mend the files of {self.folder}.") from error
        if not sources:
            raise Refused(
                f"There is no policy in {self.folder}: it has no .rego file.",
                remedy="name its folder in `[policy] path` of the configuration.",
            )
        return sources

    def tested(self) -> list[PolicyTest]:
        """The tests of the policy's own (rules `test_…` in `…_test.rego`), evaluated in process."""
        return list(bounded.test_results(self.sources()))

    def digest(self) -> str:
        """The digest of the rules that decide."""
        return _digest(opa.policies(self.server) if self.server else self.sources())


def _digest(sources: Sources) -> str:
    """Of the rules' texts, whatever the files are called: an OPA server that was given the same has the same."""
    texts = sorted(hashlib.sha256(text.encode()).hexdigest() for file, text in sources if not file.endswith(TESTS))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _understood(document: Any, *, package: str, where: str) -> tuple[bool, tuple[Denial, ...]]:
    """Whether a package allows, and its denials in order, from what it said."""
    remedy = f"mend the rules in {where}: `{package}` has `allow`, a boolean, and `deny`, a set of {{rule, says}}."
    if not isinstance(document, Mapping) or not document:
        raise Refused(f"The policy has no package {package}.", remedy=remedy)
    allow, deny = document.get("allow"), document.get("deny")
    if not isinstance(allow, bool):
        raise Refused(f"{package} of the policy does not say whether it is allowed.", remedy=remedy)
    if not isinstance(deny, Sequence) or not all(_is_denial(each) for each in deny):
        raise Refused(f"{package} of the policy does not say which rules deny, and why.", remedy=remedy)
    return allow, tuple(sorted(map(Denial.of, deny), key=lambda denial: (denial.rule, denial.says)))


def _is_denial(document: Any) -> bool:
    return isinstance(document, Mapping) and all(isinstance(document.get(name), str) for name in ("rule", "says"))
