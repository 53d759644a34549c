"""A secret that is planted in every setting is in no byte of state or log, after runs that do well and that fail."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.config import deployment
from resources.config.deployment import DeploymentConfig
from resources.config.loader import load_settings
from tests.support.command_line import Nightcart

SECRET = "hunter2-of-the-till"
KEY = "5ec2e7" * 10 + "5ec2"  # of the hashes: a number, as it is written
# What the web pages show of the deployment and of every definition, by their own query language.
PAGES = """{ instance { info } repositoriesOrError { ... on RepositoryConnection { nodes {
    allTopLevelResourceDetails { name description configuredValues { key value } configFields { name defaultValueAsJson } }
    assetNodes { description metadataEntries { label description ... on TextMetadataEntry { text } ... on UrlMetadataEntry { url }
        ... on PathMetadataEntry { path } ... on JsonMetadataEntry { jsonString } ... on MarkdownMetadataEntry { mdStr } } }
    schedules { name description } sensors { name description } jobs { name tags { key value } presets { runConfigYaml } }
} } } }"""


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


def unpacked(value: bytes) -> bytes:
    """Bytes, and what they are when they are packed."""
    for unpack in (zlib.decompress, gzip.decompress):
        with contextlib.suppress(zlib.error, OSError, EOFError):
            return value + unpack(value)
    return value


def content(file: Path) -> bytes:
    """What a file holds, packed or not."""
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        return file.read_bytes() + str(pq.read_table(file).to_pylist()).encode()
    return unpacked(file.read_bytes())


def cells(url: str) -> Iterator[tuple[str, bytes]]:
    """Every value of a database, as bytes, with its table."""
    with sa.create_engine(url).connect() as connection:
        for name in sa.inspect(connection).get_table_names():
            for row in connection.execute(sa.text(f'SELECT * FROM "{name}"')):
                yield from ((name, unpacked(v) if isinstance(v, bytes) else str(v).encode()) for v in row)


def planted(url: str) -> str:
    """A URL of the server of tests, which lets everybody in, with the password."""
    return sa.make_url(url).set(password=SECRET, username="postgres").render_as_string(hide_password=False)


def test_a_planted_secret_is_nowhere(tmp_path: Path, server: str, new_database: Callable[[str], str]) -> None:
    """In production, where there are the most: each setting that is secret has one, also one that is new."""
    own = Path(Nightcart(tmp_path).environment["NIGHTCART_CONFIG"]).read_text(encoding="utf-8")
    sales = str(Path(load_settings().transactions.path[0]))
    url = f"http://ann:{SECRET}@{server}/sales/{{date}}.csv?sig={SECRET}"
    config = tmp_path / "corner_shop.toml"
    config.write_text(own.replace(sales, url), encoding="utf-8")
    nightcart = Nightcart(tmp_path / "state", config)
    databases = {name: new_database(name) for name in ("operations", "mlflow", "dagster")}
    known = {
        "operations_url": planted(databases["operations"]),
        "mlflow_tracking_uri": planted(databases["mlflow"]),
        "dagster_url": planted(databases["dagster"]),
        "erasure_key": KEY,
    }
    settings = {
        deployment._variable(name): known.get(name, f"{SECRET}-{name}-and-so-on-and-so-on-and-so-on")
        for name, field in DeploymentConfig.model_fields.items()
        if "Secret" in str(field.annotation) or not field.repr
    }
    assert len(settings) > len(known)
    nightcart.environment |= settings | {
        "NIGHTCART_ENVIRONMENT": "production",
        "NIGHTCART_TABLES": str(tmp_path / "state" / "shared" / "tables"),
        "NIGHTCART_RAW": str(tmp_path / "state" / "shared" / "raw"),
        "NIGHTCART_MLFLOW_ARTIFACTS": str(tmp_path / "state" / "shared" / "models"),
        "NIGHTCART_ALERT_URLS": f"json://ann:{SECRET}@127.0.0.1:9/{SECRET}",
        "SHOP_DATABASE": f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:9/till",
        "AWS_ACCESS_KEY_ID": f"{SECRET}-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": f"{SECRET}-token",
    }
    said = nightcart.several(
        ("backfill", "--from", "2024-01-01", "--to", "2024-01-01", "--assets", "transactions"),
        ("nightly", "--date", "2024-01-03"),
        ("watch",),
        ("doctor",),
        ("backup", str(tmp_path / "state" / "backup"), "--without-key"),
    )
    assert [code for code, _, _ in (said[0], said[4])] == [0, 0], said
    assert said[1][0] != 0, said[1]
    command = [
        sys.executable,
        "-m",
        "resources.home",
        str(Path(sys.executable).with_name("dagster-graphql")),
        "-t",
        PAGES,
    ]
    shown = subprocess.run(command, env=nightcart.environment, capture_output=True, text=True, check=True)
    assert "schedule_storage" in shown.stdout
    assert "retrain_on_decision" in shown.stdout
    text = "".join(out + err for _, out, err in said) + shown.stdout + shown.stderr
    assert [word for word in (SECRET, KEY) if word in text] == []
    files = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert any(file.suffix == ".parquet" for file in files)
    found = [file for file in files for word in (SECRET, KEY) if word.encode() in content(file)]
    assert [*found, *(file for file in files if bytes.fromhex(KEY) in content(file))] == []
    rows = [(name, table, cell) for name, url in databases.items() for table, cell in cells(url)]
    assert {"event_logs", "runs", "audit"} <= {table for _, table, _ in rows}
    assert [each for each in rows if SECRET.encode() in each[2] or KEY.encode() in each[2]] == []
