"""How people are told: in the log, and through every address that the environment names.

The addresses are URLs of apprise, an optional library (`pip install nightcart[alerts]`): Slack, Teams, mail and a
hundred others, one syntax for all. They hold secrets: they are read from the environment when something is to be told,
and never written anywhere.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from resources.errors import Refused, Unavailable

log = logging.getLogger("nightcart.alerts")
PATIENCE = 30.0  # seconds for an address


@dataclass(frozen=True)
class Notifier:
    """Tells people; `urls_in` is the environment variable with the addresses, separated by blanks."""

    urls_in: str

    def tell(self, title: str, text: str) -> None:
        """Tell it, once to each address.

        Raises :class:`Unavailable` when there are addresses and none took it, :class:`Refused` when it is not for want
        of trying that they cannot. One that took it is enough: to send again would tell those twice.
        """
        log.warning("%s\n%s", title, text)
        urls = os.environ.get(self.urls_in, "").split()
        if not urls:
            return
        try:
            import apprise
        except ImportError as error:
            raise Refused(
                f"{self.urls_in} names addresses, and the library that writes to them is not installed.",
                remedy="`uv sync --extra alerts`, or `pip install 'apprise>=2.3'`.",
            ) from error
        failed = []
        for url in urls:
            # Where a redirection leads, to a page for signing on mostly, answers with 200 and tells nobody.
            channel = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
            said = {"title": title, "body": text, "body_format": apprise.NotifyFormat.TEXT}
            if not (channel.add(url) and _is_true_in_time(lambda channel=channel, said=said: channel.notify(**said))):
                failed.append(url.partition("://")[0])  # the rest of it is a secret
        if failed:
            log.warning("Not taken by %s of %s.", ", ".join(failed), self.urls_in)
        if len(failed) == len(urls):
            raise Unavailable(
                f"None of the addresses in {self.urls_in} took the alert ({', '.join(failed)}).",
                remedy="check them with `apprise -b test URL`; it is tried again at the next tick.",
            )


def _is_true_in_time(work: Callable[[], object]) -> bool:
    """Whether `work` comes back with something true; one that does not come back, from a server that answers byte by byte, is left."""
    answers: list[object] = []
    asked = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    asked.start()
    asked.join(PATIENCE)
    return any(answers)
