"""Alerts leave through the log, and through apprise to a real server that listens."""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from resources.errors import Unavailable
from resources.notifier import Notifier

VARIABLE = "NIGHTCART_ALERT_URLS"


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An address that takes alerts as JSON, and what it has taken."""
    taken: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/", taken
        server.shutdown()


# Nothing listens there.
DEAD = "json://127.0.0.1:9/secret-token"


@pytest.mark.parametrize("answer", ["redirects", "drips"])
def test_what_answers_and_takes_nothing_has_not_taken_it(monkeypatch, answer: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if answer == "drips":
                with contextlib.suppress(OSError):
                    for each in (b"HTTP/1.1 200 OK\r\n", *[b"X-More: to come\r\n"] * 90):
                        self.wfile.write(each)
                        time.sleep(0.1)
            self.send_response(302)
            self.send_header("Location", "/sign-on")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setattr("resources.notifier.PATIENCE", 4.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(VARIABLE, f"json://127.0.0.1:{server.server_port}/")
        began = time.monotonic()
        with pytest.raises(Unavailable, match="None of the addresses"):
            Notifier(urls_in=VARIABLE).tell("Shop", "The night was refused.")
        assert time.monotonic() - began < 6
        server.shutdown()


def test_without_addresses_it_is_logged(monkeypatch, caplog) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with caplog.at_level(logging.WARNING, logger="nightcart.alerts"):
        Notifier(urls_in=VARIABLE).tell("Shop: refusal", "The night was refused.")
    assert "The night was refused." in caplog.text


def test_an_address_takes_title_and_text(monkeypatch, listener) -> None:
    url, taken = listener
    monkeypatch.setenv(VARIABLE, url)
    Notifier(urls_in=VARIABLE).tell("Shop: refusal", "The night was refused.")
    assert [(each["title"], each["message"]) for each in taken] == [("Shop: refusal", "The night was refused.")]


def test_a_page_that_takes_html_is_given_text(monkeypatch, listener) -> None:
    url, taken = listener
    monkeypatch.setenv(VARIABLE, f"{url}?format=html")
    Notifier(urls_in=VARIABLE).tell("Shop", "Basket <b>[1](http://x.test)</b> of *all*.")
    ((message,),) = [[each["message"] for each in taken]]
    assert "&lt;b&gt;[1](http://x.test)&lt;/b&gt; of *all*." in message.replace("&nbsp;", " ")


def test_one_address_that_takes_it_is_enough_and_none_is_an_error_without_secrets(monkeypatch, listener, caplog):
    url, taken = listener
    monkeypatch.setenv(VARIABLE, f"{DEAD} {url}")
    Notifier(urls_in=VARIABLE).tell("Shop: refusal", "The night was refused.")
    assert len(taken) == 1
    monkeypatch.setenv(VARIABLE, DEAD)
    with pytest.raises(Unavailable) as refused:
        Notifier(urls_in=VARIABLE).tell("Shop: refusal", "The night was refused.")
    assert "secret-token" not in str(refused.value)
