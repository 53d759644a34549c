"""An object store for the tests: moto's server in a process of its own, and one that lies as some stores do.

Of a bucket `fault-N` every request is answered with the N-th of FAULTS, the last of which is no answer at all. In a bucket `stutter-…` what is made where
nothing is, is made, and answered with an error the first time.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
FAULTS = (
    "403 AccessDenied",
    "403 SignatureDoesNotMatch",
    "403 RequestTimeTooSkewed",
    "503 SlowDown",
    "404 NoSuchBucket",
    "slow",
)
VARIABLES = {"AWS_ACCESS_KEY_ID": "shop", "AWS_SECRET_ACCESS_KEY": "secret-of-the-shop", "AWS_REGION": "us-east-1"}


@contextlib.contextmanager
def served(*, lies: bool = False) -> Iterator[str]:
    """A server that speaks S3, by its address; one that `lies` takes every write whatever conditions it comes with."""
    command = [sys.executable, __file__, *(["lies"] if lies else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def serve(*, lies: bool) -> None:
    """Serve until the process is ended, at an address that is printed."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)

    made: set[str] = set()
    one_by_one = threading.Lock()

    def answer(environ: dict[str, Any], start: Any) -> Any:
        if fault := re.match(r"/fault-(\d+)", environ["PATH_INFO"]):
            return failing(FAULTS[int(fault[1])], start)
        for name in CONDITIONS if lies else ():
            environ.pop(name, None)
        path = environ["PATH_INFO"]
        if path.startswith("/stutter-") and "HTTP_IF_NONE_MATCH" in environ and path not in made:
            made.add(path)
            app(environ, lambda *_: None)
            return failing("500 InternalError", start)
        # moto looks whether an object is there, then makes it: two that come at once may both be told that it is theirs.
        with one_by_one if environ["REQUEST_METHOD"] == "PUT" else contextlib.nullcontext():
            return app(environ, start)

    def failing(fault: str, start: Any) -> list[bytes]:
        if fault == "slow":
            time.sleep(600)
        status, _, code = fault.partition(" ")
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        start(f"{status} -", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def make_bucket(name: str, *, is_versioned: bool = False) -> None:
    """An empty bucket in the store of the environment."""
    from resources.tables import object_store

    client = object_store.client()
    client.create_bucket(Bucket=name)
    if is_versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


if __name__ == "__main__":
    serve(lies="lies" in sys.argv)
