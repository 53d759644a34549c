"""An object store for the tests: moto's server in a process of its own, and one that lies as some stores do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
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

    def without_conditions(environ: dict[str, Any], start: Any) -> Any:
        for name in CONDITIONS:
            environ.pop(name, None)
        return app(environ, start)

    server = make_server("127.0.0.1", 0, without_conditions if lies else app, threaded=True)
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
