"""A secret that is planted in every setting is in no byte of state or log, after runs that do well and that fail."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.config.loader import load_settings
from tests.support.command_line import Nightcart

SECRET = "hunter2-of-the-till"


class Handler(http.server.SimpleHTTPRequestHandler):
    """The shop's own web server, which wants a signature."""

    def do_GET(self) -> None:
        if SECRET not in self.path:
            self.send_error(403)
        else:
            super().do_GET()

    do_HEAD = do_GET  # fsspec asks for the size by it

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    sales = Path(load_settings().transactions.path[0]).parents[1]
    handler = functools.partial(Handler, directory=str(sales))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{serving.server_port}"
        serving.shutdown()


def content(file: Path) -> bytes:
    """What a file holds, packed or not."""
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        return file.read_bytes() + str(pq.read_table(file).to_pylist()).encode()
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def test_a_planted_secret_is_nowhere(tmp_path: Path, server: str) -> None:
    own = Path(Nightcart(tmp_path).environment["NIGHTCART_CONFIG"]).read_text(encoding="utf-8")
    sales = str(Path(load_settings().transactions.path[0]))
    url = f"http://ann:{SECRET}@{server}/sales/{{date}}.csv?sig={SECRET}"
    config = tmp_path / "corner_shop.toml"
    config.write_text(own.replace(sales, url), encoding="utf-8")
    nightcart = Nightcart(tmp_path / "state", config)
    nightcart.environment |= {
        "NIGHTCART_ALERT_URLS": f"json://ann:{SECRET}@127.0.0.1:9/{SECRET}",
        "NIGHTCART_UI_TOKEN": f"{SECRET}-and-so-on-and-so-on-and-so-on",
        "SHOP_DATABASE": f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:9/till",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    said = nightcart.several(
        ("backfill", "--from", "2024-01-01", "--to", "2024-01-01", "--assets", "transactions"),
        ("nightly", "--date", "2024-01-03"),
        ("watch",),
    )
    assert said[0][0] == 0, said[0]
    assert said[1][0] != 0, said[1]
    text = "".join(out + err for _, out, err in said)
    assert SECRET not in text
    files = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert any(file.suffix == ".parquet" for file in files)
    assert [file for file in files if SECRET.encode() in content(file)] == []
