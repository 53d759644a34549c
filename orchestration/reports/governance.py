"""What the policy was asked and answered, what is overridden, and what stands in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.reports.report import Report
from resources.errors import Damaged, Refused
from resources.policy.bounded import TESTS, PolicyTest
from resources.policy.client import Policy
from resources.records.lifecycle import PolicyDecision
from resources.records.quality import Override
from resources.records.store import OperationsDatabase
from resources.tables.store import TableStore


@dataclass(frozen=True, kw_only=True)
class Rules(Report):
    """The policy as it is: its files with their text, the digest of all, and who answers (None: this process)."""

    files: Mapping[str, str]
    digest: str
    server: str | None


def rules(policy: Policy) -> Rules:
    """The rules, without their tests."""
    files = {file: text for file, text in policy.sources() if not file.endswith(TESTS)}
    return Rules(files=files, digest=policy.digest(), server=policy.server)


@dataclass(frozen=True, kw_only=True)
class RuleTests(Report):
    """How the policy's own tests ended, file by file."""

    tests: Sequence[PolicyTest]
    failed: int


def rule_tests(policy: Policy) -> RuleTests:
    """Run the policy's own tests."""
    tests = policy.tested()
    return RuleTests(tests=tests, failed=sum(not one.has_passed for one in tests))


@dataclass(frozen=True, kw_only=True)
class Answers(Report):
    """The latest answers of the policy, oldest first."""

    answers: Sequence[PolicyDecision]


def answers(operations: OperationsDatabase, last: int, package: str | None = None) -> Answers:
    """The `last` answers, of one package or of all; raises :class:`Refused` when there are none."""
    records = operations.records(PolicyDecision, last=last, **({"package": package} if package else {}))
    if not records:
        raise Refused(
            f"{package or 'The policy'} has not been asked yet.", remedy="`nightcart nightly --date YYYY-MM-DD` does."
        )
    return Answers(answers=records)


@dataclass(frozen=True, kw_only=True)
class Overrides(Report):
    """The overrides that have not lapsed."""

    overrides: Sequence[Override]


@dataclass(frozen=True, kw_only=True)
class Files(Report):
    """What of the tables' files is not what was written, with the `remedies`, among how many `files`.

    `unknown` are those that are not on record: an earlier version wrote them, and so did a process that was killed.
    """

    flaws: Sequence[str]
    remedies: Sequence[str]
    tables: int
    files: int
    unknown: int


def files(tables: TableStore, operations: OperationsDatabase, say: Callable[[str], object]) -> Files:
    """Hold every file of every table against what is on record of it; `say` is called with each table's name."""
    from resources.tables import contents, history

    flaws, remedies, looked = [], [], []
    names = sorted({*history.names(tables), *operations.sealed_tables()})
    for name in names:
        say(name)
        try:
            looked.append(contents.verify(tables, operations, name))
        except Damaged as error:
            flaws.append(error.message)
            remedies.append(error.remedy)
    found = [flaw for each in looked for flaw in each.flaws]
    return Files(
        flaws=[*flaws, *(f"{flaw}." for flaw in found)],
        remedies=[*dict.fromkeys(remedies), *contents.remedies(found)],
        tables=len(names),
        files=sum(each.files for each in looked),
        unknown=sum(each.unknown for each in looked),
    )


@dataclass(frozen=True, kw_only=True)
class Audit(Report):
    """What is not as it was recorded, in sentences, among how many `entries`; the last one's number and digest (`head`).

    `tables` is there when the tables' files were looked at, too.
    """

    flaws: Sequence[str]
    entries: int
    head: str
    tables: Files | None = None


def audit(operations: OperationsDatabase, *, head: str | None = None) -> Audit:
    """Verify the audit trail, up to a `head` that was kept elsewhere; raises :class:`Refused` where it cannot be read."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import DatabaseError

    try:
        flaws, now = operations.flaws(head=head), operations.audit_head()
    except DatabaseError as error:
        raise Refused(
            f"{make_url(operations.url)!r} is no operations database, or is damaged: {error.orig}.",
            remedy="name a whole copy of operations.db, made while nothing was writing.",
        ) from error
    return Audit(flaws=list(map(str, flaws)), entries=int(now.partition(":")[0]), head=now)
