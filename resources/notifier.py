"""How people are told: in the log, and through every address that the environment names.

The addresses are URLs of apprise, an optional library (`pip install nightcart[alerts]`): Slack, Teams, mail and a
hundred others, one syntax for all. They hold secrets: they are read from the environment when something is to be told,
and never written anywhere.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass

from resources.errors import Refused, Unavailable

log = logging.getLogger("nightcart.alerts")
PATIENCE = 30.0  # seconds for an address
# Where a redirection leads, to a page for signing on mostly, answers with 200 and tells nobody.
SEND = """
import json, sys, apprise
said = json.load(sys.stdin)
channel = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
sys.exit(not (channel.add(said.pop("url")) and channel.notify(**said)))
"""


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
        if not importlib.util.find_spec("apprise"):
            raise Refused(
                f"{self.urls_in} names addresses, and the library that writes to them is not installed.",
                remedy="`uv sync --extra alerts`, or `pip install 'apprise>=2.3'`.",
            )
        said = {"title": title, "body": text, "body_format": "text"}
        failed = [url.partition("://")[0] for url in urls if not _is_taken(url, **said)]  # the rest of it is a secret
        if failed:
            log.warning("Not taken by %s of %s.", ", ".join(failed), self.urls_in)
        if len(failed) == len(urls):
            raise Unavailable(
                f"None of the addresses in {self.urls_in} took the alert ({', '.join(failed)}).",
                remedy="check them with `apprise -b test URL`; it is tried again at the next tick.",
            )


def _is_taken(url: str, **said: str) -> bool:
    """Whether an address took it; one that answers byte by byte is left after a while, with the process that waits for it."""
    try:
        # The address on standard input: it is a secret, and a process list shows arguments.
        asked = subprocess.run(  # noqa: S603 - our own lines, in our own Python
            [sys.executable, "-c", SEND], input=json.dumps({"url": url, **said}), text=True, capture_output=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
