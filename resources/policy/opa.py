"""An OPA server that was given the policy's files and answers instead of the process itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.errors import Refused, Unavailable
from resources.policy.in_process import Sources

ANSWERS_WITHIN_SECONDS = 10  # it takes milliseconds


def evaluate(server: str, package: str, question: Mapping[str, Any]) -> Any:
    """What `package` says to `question`, None when it is not there."""
    # A built-in function that fails makes a rule silent unless it is told to be strict; in process it is as well.
    path = f"/v1/data/{package.replace('.', '/')}?strict-builtin-errors=true"
    return _json(server, "POST", path, {"input": question}).get("result")


def policies(server: str) -> Sources:
    """The server's files, by the names that it has for them."""
    try:
        return tuple((each["id"], each["raw"]) for each in _json(server, "GET", "/v1/policies")["result"])
    except (KeyError, TypeError) as error:
        raise Refused(
            f"The OPA server {server} does not tell its policies.",
            remedy="let this client GET /v1/policies: decisions are recorded with the rules that made them.",
        ) from error


def _json(server: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    import httpx

    try:
        response = httpx.request(method, server.rstrip("/") + path, json=body, timeout=ANSWERS_WITHIN_SECONDS)
    except httpx.HTTPError as error:
        raise _no_answer(server, str(error)) from error
    if response.is_error:
        # OPA says what is wrong with a rule or a request in JSON with a `code`; anything else is a server in trouble.
        if response.is_server_error and '"code"' not in response.text:
            raise _no_answer(server, str(response.status_code))
        raise Refused(
            f"The OPA server {server} cannot answer: {response.status_code}, {response.text[:300]}",
            remedy="mend the rules that it was given.",
        )
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Refused(
            f"What answers at {server} is no OPA server: it does not speak its JSON.",
            remedy="correct `[policy] server`.",
        )
    return document


def _no_answer(server: str, why: str) -> Unavailable:
    return Unavailable(
        f"The OPA server {server} does not answer ({why}); without it nothing is allowed.",
        remedy="start it, or take `[policy] server` out of the configuration: the policy is then evaluated in process.",
    )
