"""What stands before the web server: only a browser that has opened the link with the token sees or starts anything.

As Jupyter does it. The link's token is exchanged for a cookie that no script reads and no other site's form carries. A
page of another origin, a form, a link and a name that was made to point here (DNS rebinding) are refused all the same:
the cookie of one port is sent to every port of a machine. Host names are checked before, by Starlette's own middleware
(:func:`guarded`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("localhost", "127.0.0.1")
IS_ALIVE = "/server_info"  # what a probe asks for; without the token it learns that the server answers, and no more
READS, CHANGES = ("GET", "HEAD"), "POST"
# Beside Dagster's own: no picture in a name, a reason or a plot is loaded from elsewhere.
CONTENT = "img-src 'self' data: blob:; media-src 'self'; frame-ancestors 'self'"
HEADERS = {"x-frame-options": "SAMEORIGIN", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


class Guard:
    """ASGI middleware: refuses what has not the `token`, comes from another origin, or changes something by a link or form.

    A program, which has no cookie, sends the token as `Authorization: Bearer …`. Without a token everybody is let in whom
    a proxy before it has let in.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app, self.token = app, token
        self.session = hashlib.sha256(f"session of {token}".encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 (ASGI's)
        if scope["type"] not in ("http", "websocket"):  # the server's own beginning and end
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"].endswith("response.start"):
                headers = MutableHeaders(scope=message)
                headers.append("content-security-policy", CONTENT)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._instead(HTTPConnection(scope), scope) or self.app
        await answer(scope, receive, send_with_headers)

    def _instead(self, asked: HTTPConnection, scope: Scope) -> Response | None:
        """What is answered in place of the application; None when it may answer itself."""
        is_reading = scope["type"] == "websocket" or scope["method"] in READS
        origin = asked.headers.get("origin")
        if origin is not None and _place_of(origin) != asked.headers["host"].lower():
            return _refused(403, f"A page of {_shown(origin)} may not use this web server.")
        if not self._has_token(asked):
            if is_reading and self._is_token(asked.query_params.get("token", "")):
                return self._opened(asked)
            if asked.url.path == IS_ALIVE:
                return Response(status_code=204)
            return _refused(
                403, "Open the link that `make ui` printed: it has the token without which nothing is shown."
            )
        if not is_reading and scope["method"] != CHANGES:
            return _refused(405, "Nothing is changed here but by POST.")
        if (
            not is_reading
            and asked.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json"
        ):
            return _refused(415, "Nothing is changed here but by application/json, which no form can send.")
        is_page = "text/html" in asked.headers.get("accept", "")  # of GraphiQL, which runs nothing by itself
        if asked.url.path.rstrip("/") == "/graphql" and scope["type"] == "http" and is_reading and not is_page:
            return _refused(405, "GraphQL is asked by POST.")
        return None

    def _has_token(self, asked: HTTPConnection) -> bool:
        if self.token is None:
            return True
        kind, _, given = asked.headers.get("authorization", "").partition(" ")
        cookie = asked.cookies.get(_cookie(asked), "")
        return secrets.compare_digest(cookie.encode(), self.session.encode()) or (
            kind.lower() == "bearer" and self._is_token(given.strip())
        )

    def _is_token(self, given: str) -> bool:
        return self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())

    def _opened(self, asked: HTTPConnection) -> Response:
        """The link was opened: the page itself, without the token in its address, and the cookie."""
        answer = RedirectResponse(asked.url.remove_query_params("token"), status_code=303)
        answer.set_cookie(
            _cookie(asked), self.session, httponly=True, samesite="lax", secure=asked.url.scheme == "https"
        )
        return answer


def guarded(app: ASGIApp, token: str | None, hosts: Sequence[str] = ()) -> ASGIApp:
    """`app` behind the guard, under this machine's own name and `hosts` alone (`*`: any)."""
    return TrustedHostMiddleware(Guard(app, token), allowed_hosts=[*LOCAL, *hosts], www_redirect=False)


def _cookie(asked: HTTPConnection) -> str:
    """One name a port: a browser sends the cookies of all ports of a machine to each of them."""
    return f"nightcart_{asked.url.port or ''}"


def _place_of(origin: str) -> str | None:
    """The host and port of an origin; None of one that is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(why + "\n", status_code=status)


def _shown(origin: str) -> str:
    return origin if origin.isascii() and origin.isprintable() and len(origin) < 200 else "another origin"
