"""An object store for the drill (moto's S3) that fails when it is told to: `python benchmarks/cluster_store.py ADDRESS PORT FAULT`.

FAULT is a file: while it is there, its word is what requests meet: `gone` (the connection ends), `slow` (five seconds
each), or a status such as `503` or `500`.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

CODES = {"503": "SlowDown", "500": "InternalError"}


def serve(address: str, port: int, fault: Path) -> None:
    """Serve until the process is ended."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    one_by_one = threading.Lock()

    def answer(environ: dict[str, Any], start: Any) -> Any:
        try:
            word = fault.read_text().strip()
        except OSError:
            word = ""
        if word == "gone":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        if word == "slow":
            time.sleep(5)
        elif word:
            body = f"<Error><Code>{CODES[word]}</Code><Message>{CODES[word]}</Message></Error>".encode()
            start(f"{word} -", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        # moto looks whether an object is there, then makes it: two that come at once may both be told that it is theirs.
        with one_by_one if environ["REQUEST_METHOD"] == "PUT" else contextlib.nullcontext():
            return app(environ, start)

    make_server(address, port, answer, threaded=True).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
