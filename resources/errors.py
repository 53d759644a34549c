"""What can go wrong outside, and whether trying again can help.

Every error says what happened, where, and what mends it. Assets turn them into Dagster failures
(`assets.failures`): an :class:`Unavailable` is retried with back-off, a :class:`Refused` is not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from resources.text import without_secrets


class NightcartError(Exception):
    """An error with its remedy: one sentence each, both for a person to read, without the secrets of URLs."""

    is_worth_retrying = False

    def __init__(self, message: str, *, remedy: str) -> None:
        self.message, self.remedy = without_secrets(message), without_secrets(remedy)
        super().__init__(f"{self.message} Remedy: {self.remedy}")


class Refused(NightcartError):
    """The input, the configuration or the order of things is wrong: the same call will fail again."""


class FeedRefused(Refused):
    """A feed's file is unreadable, incomplete, empty, or lacks what the contract asks for."""


class FeedMissing(Refused):
    """No file, or no line, for a business day that was not declared closed."""


class GateClosed(Refused):
    """A table, or a model's version, failed a check, was never checked, or has changed since it was."""


class Damaged(Refused):
    """What was stored is gone, or is not whole: a file of a table, of its log, or of a model."""


class MadeForOtherFeatures(Refused):
    """A model was made for another definition of the features than this code has."""


class Unavailable(NightcartError):
    """Something outside did not answer (a download, a database): the same call may succeed in a while."""

    is_worth_retrying = True


class Overtaken(NightcartError):
    """Somebody else decided first, on the same thing: nothing was changed, and what it stood on has to be looked at again."""

    is_worth_retrying = True


class Superseded(Refused):
    """A later run is at work on the same, or what this was made of is no longer the newest: nothing more is written."""


class Unwritable(NightcartError):
    """The disk is full, or may not be written: nothing is wrong with the input, and trying again does not help."""


# What libraries of several languages say when it is the machine that fails: they have no type in common.
NO_ROOM = ("No space left on device", "File too large", "disk I/O error", "disk is full", "Disk quota exceeded")
NO_WRITING = ("Read-only file system", "readonly database", "Permission denied", "unable to open database file")
BROKEN = ("file is not a database", "database disk image is malformed", "malformed database schema")
NO_MEMORY = "Out of Memory Error"
NO_HANDLES = "Too many open files"
HELD = ("database is locked", "database table is locked")


# What Postgres says, by the start of its code or, as nobody is let in, by its words: what that is in ours, the remedy, and the error.
OF_POSTGRES = (
    ("28", "password|pg_hba|role .* does not exist|authentication", "lets nobody in with this user and password from here",
     "correct them in {there} (`@` and `/` in a password are %40 and %2F), or let the server accept them (pg_hba.conf).", Refused),
    ("", "certificate", "is on a server whose certificate cannot be verified from here",
     "let `sslrootcert` in {there} name the file of the authority that signed it, and the host be as the certificate has it.", Refused),
    ("3D", "database .* does not exist", "is not on its server",
     "make it (`CREATE DATABASE name OWNER user`), or correct its name in {there}.", Refused),
    ("42501", "permission denied", "does not let its user do what is needed",
     "let the user own it: `ALTER DATABASE name OWNER TO user`, and `GRANT ALL ON SCHEMA public TO user`.", Refused),
    ("53300", "too many (clients|connections)|connection slots", "takes no more connections",
     "wait for it; if it stays so, end what else is connected, or raise its `max_connections`.", Unavailable),
    ("53", "No space left", "has no room left, on its disk or in memory", "make room on its server.", Unwritable),
    ("25006", "read-only transaction", "is a copy that can only be read, or is being moved",
     "wait for it; if it stays so, name the server that is written to in {there}.", Unavailable),
    ("25P03", "idle-in-transaction", "ended the connection of this process, which slept in the middle of a write",
     "try it again: nothing of that was written.", Unavailable),
    ("55P03", "lock timeout", "is held by another process for too long",
     "end what holds it: `SELECT * FROM pg_stat_activity` on its server names it.", Unavailable),
    ("", "", "does not answer",
     "see whether it runs and can be reached from here, and whether host and port are right in {there}.", Unavailable),
)  # fmt: skip


def of_postgres(error: BaseException, *, variable: str = "") -> NightcartError | None:
    """What Postgres' error, or one that came of it, says of the database whose URL `variable` has; None of a mistake of ours."""
    for each in chain(error):
        if not type(each).__module__.startswith("psycopg"):
            continue
        code = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None) or ""
        kinds = {kind.__name__ for kind in type(each).__mro__}
        is_outside = bool(kinds & {"OperationalError", "InterfaceError"})
        for start, words, says, remedy, kind in OF_POSTGRES:
            if code.startswith(start) if code and start else (is_outside and re.search(words, str(each))):
                place = f"The database of {variable}" if variable else "A Postgres database"
                return kind(f"{place} {says}.", remedy=remedy.format(there=variable or "its URL"))
    return None


# What object stores say, by a code of theirs or the words of the libraries that ask them: in ours, the remedy, and the error.
OF_A_STORE = (
    ("NoSuchBucket|bucket does not exist", "has no such bucket",
     "make it, or correct NIGHTCART_TABLES, NIGHTCART_RAW or NIGHTCART_MLFLOW_ARTIFACTS.", Refused),
    ("RequestTimeTooSkewed|RequestExpired", "refuses what comes from a clock that differs from its own by minutes",
     "set the clocks right, here and there (`timedatectl`).", Refused),
    ("InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|TokenRefreshRequired", "does not know who asks: key, secret or token are wrong or no longer valid",
     "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of the machine or pod.", Refused),
    ("PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint", "has the bucket in another region",
     "correct AWS_REGION.", Refused),
    ("NoCredentials|locate credentials|PartialCredentials", "is asked, and nothing says as whom",
     "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine or pod a role.", Refused),
    ("AccessDenied|Access Denied|Forbidden|AccountProblem|necessary privileges", "does not permit this to who asks",
     "permit reading, writing, listing and deleting below the folder that is named in the settings.", Refused),
    ("SlowDown|ServiceUnavailable|Service Unavailable|InternalError|Bad Gateway|Gateway Time|HTTP 5\\d\\d|\\b50[0234]\\b", "has too much to do, or is out of order",
     "wait for it.", Unavailable),
    ("NoSuchKey|404 Not Found", "no longer has what was there a moment ago", "run it again.", Unavailable),
    ("", "does not answer", "see whether it can be reached from here, and whether AWS_ENDPOINT_URL is right.", Unavailable),
)  # fmt: skip
STORE = re.compile(
    r"Generic S3|Error performing|HTTP (Error|HEAD|GET|PUT|POST)|Could not (connect|establish)|HTTPException"
)


def of_a_store(error: BaseException) -> NightcartError | None:
    """What an object store's error, or one that came of it, says; None of any other."""
    known = [*chain(error)]
    said = " ".join(str(each) for each in known)
    modules = {type(each).__module__.partition(".")[0] for each in known}
    if not modules & {"botocore", "aiobotocore"} and not (
        modules & {"builtins", "_internal", "_duckdb"} and STORE.search(said)
    ):
        return None
    asked = re.search(r"https?://([^/\s'\"?]+)", said) or re.search(
        r"//([^/\s?]+)", os.environ.get("AWS_ENDPOINT_URL", "")
    )
    place = f"The object store at {asked[1].rpartition('@')[2]}" if asked else "The object store"
    return next(
        kind(f"{place} {says}.", remedy=remedy) for words, says, remedy, kind in OF_A_STORE if re.search(words, said)
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of."""
    known = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def of_the_machine(error: BaseException) -> NightcartError | None:
    """What a library's error says of the disk or a database that somebody holds, with its remedy; None of any other."""
    if known := of_postgres(error) or of_a_store(error):
        return known
    said = str(error)
    first = said.strip().partition("\n")[0]  # the rest is the statement, with its values
    if any(each in said for each in NO_ROOM):
        return Unwritable(
            f"Nothing more could be written: {first}.", remedy="make room on the disk of the state folder."
        )
    if NO_MEMORY in said:
        return Refused(
            f"What the engine is granted is too little for this: {first}.",
            remedy="set NIGHTCART_MEMORY to more, where there is more (docs/guides/memory.md says how much for how many lines).",
        )
    if NO_HANDLES in said:
        return Refused(
            f"This process may not open as many files as it needs: {first}.",
            remedy="permit 1024 (`ulimit -n 1024`, LimitNOFILE of a service).",
        )
    if any(each in said for each in NO_WRITING):
        return Unwritable(
            f"Something may not be written: {first}.",
            remedy="make the state folder, and all that is in it, writable; where another user ran something there, as with sudo, "
            "chown gives it back.",
        )
    if any(each in said for each in BROKEN):
        return Damaged(
            f"A database of the state is damaged: {first}.",
            remedy="end what runs, and bring operations.db, mlflow.db or Dagster's back from the newest backup: `nightcart doctor` "
            "says which file it is (docs/runbooks.md, Restore from a backup).",
        )
    if any(each in said for each in HELD):
        return Unavailable(
            f"Another process holds the database for too long: {first}.",
            remedy="end what holds it (a backup, a shell, `fuser FILE` names it), or wait for it.",
        )
    return None
