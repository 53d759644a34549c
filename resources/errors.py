"""What can go wrong outside, and whether trying again can help.

Every error says what happened, where, and what mends it. Assets turn them into Dagster failures
(`assets.failures`): an :class:`Unavailable` is retried with back-off, a :class:`Refused` is not.
"""

from __future__ import annotations


class NightcartError(Exception):
    """An error with its remedy: one sentence each, both for a person to read."""

    is_worth_retrying = False

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} Remedy: {remedy}")
        self.message = message
        self.remedy = remedy


class Refused(NightcartError):
    """The input, the configuration or the order of things is wrong: the same call will fail again."""


class FeedRefused(Refused):
    """A feed's file is unreadable, incomplete, empty, or lacks what the contract asks for."""


class FeedMissing(Refused):
    """No file, or no line, for a business day that was not declared closed."""


class GateClosed(Refused):
    """A table, or a model's version, failed a check, was never checked, or has changed since it was."""


class MadeForOtherFeatures(Refused):
    """A model was made for another definition of the features than this code has."""


class Unavailable(NightcartError):
    """Something outside did not answer (a download, a database): the same call may succeed in a while."""

    is_worth_retrying = True


class Overtaken(NightcartError):
    """Somebody else decided first, on the same thing: nothing was changed, and what it stood on has to be looked at again."""

    is_worth_retrying = True
