"""A database as a feed: SQLite, and Postgres for real; and secrets of URLs, which are in nothing that is told."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from resources import postgres
from resources.config.feeds import FeedConfig
from resources.errors import FeedMissing, FeedRefused, NightcartError, Refused, Unavailable
from resources.feeds import sources
from resources.feeds.redaction import redact
from resources.text import without_secrets

DAYS = [dt.date(2024, 3, 1), dt.date(2024, 3, 2)]
LINES = [(1, "milk", 1.5, "2024-03-01"), (2, "tea", 2.25, "2024-03-01"), (1, None, 0.5, "2024-03-02")]
UNDATED = "SELECT who, what, paid, day FROM lines"
DATED = f"{UNDATED} WHERE day = :date"
SECRET, VARIABLE = "s3cr3t-of-ann", "SHOP_DATABASE"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE lines (who INTEGER, what TEXT, paid REAL, day TEXT)")
        connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?)", LINES)
    return file


def feed(file: Path, query: str) -> FeedConfig:
    return FeedConfig(path=[f"sqlite:///{file}"], query=query)


def test_rows_of_a_query_are_lines_of_a_feed(shop, feeds, engine):
    lines, (file,) = feeds.read(feed(shop, UNDATED), engine=engine, columns=["who", "what"])
    rows = lines.order_by("source_row").to_pyarrow().to_pylist()
    assert [(row["who"], row["what"], row["paid"]) for row in rows] == [
        (1, "milk", 1.5),
        (1, None, 0.5),
        (2, "tea", 2.25),
    ]
    assert file.columns == {"who": "integer", "what": "text", "paid": "number", "day": "text"}
    assert {row["source_file"] for row in rows} == {f"query on sqlite:///{shop}"}
    assert redact([file.copy], feed(shop, UNDATED), "who", "1".__eq__) == 2


@pytest.mark.parametrize("of_url", ["", "?connect_timeout=2"])
def test_a_server_that_says_nothing_is_not_waited_for(of_url: str, monkeypatch: pytest.MonkeyPatch):
    if not of_url:
        monkeypatch.setitem(postgres.CONNECT, "connect_timeout", 2)  # the least that libpq knows
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv(
            VARIABLE, f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:{mute.getsockname()[1]}/shop{of_url}"
        )
        with pytest.raises(Unavailable) as raised:
            sources.open_file("query on SHOP_DATABASE", FeedConfig(url_in=VARIABLE, query=UNDATED))
    assert SECRET not in str(raised.value)


def test_day_of_a_query_is_a_file_of_its_own(shop, feeds, engine):
    lines, files = feeds.read(feed(shop, DATED), engine=engine, columns=["who"], days=DAYS)
    counts = lines.group_by("file_date").agg(n=lines.count()).order_by("file_date").to_pyarrow().to_pylist()
    assert counts == [{"file_date": DAYS[0], "n": 2}, {"file_date": DAYS[1], "n": 1}]
    assert [file.name.rpartition(" ")[2] for file in files] == ["2024-03-01", "2024-03-02"]


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeedConfig:
    """Orders in one file and their lines in another, below the project; the third line has no order."""
    monkeypatch.setattr("resources.home.PROJECT", tmp_path)
    (tmp_path / "orders.csv").write_text("no,who,day\n01,ann,2024-03-01\n02,bob,2024-03-02\n")
    (tmp_path / "lines.csv").write_text("no,what\n01,007\n02,tea\n03,jam\n")
    query = (
        "SELECT * FROM read_csv('lines.csv', all_varchar = true) AS lines "
        "LEFT JOIN read_csv('orders.csv', all_varchar = true) AS orders USING (no)"
    )
    return FeedConfig(path=["duckdb://"], query=query)


def test_files_that_belong_together_are_joined_by_a_query(orders, feeds, engine):
    lines, _ = feeds.read(orders, engine=engine, columns=["who", "what"])
    rows = lines.select("no", "what", "who").order_by("no").to_pyarrow().to_pylist()
    assert [tuple(row.values()) for row in rows] == [("01", "007", "ann"), ("02", "tea", "bob"), ("03", "jam", None)]
    of_a_day = orders.model_copy(update={"query": f"{orders.query} WHERE day = CAST(:date AS text)"})
    lines, _ = feeds.read(of_a_day, engine=engine, columns=["who"], days=DAYS)
    assert sorted(lines.who.to_pyarrow().to_pylist()) == ["ann", "bob"]


def test_file_that_a_query_does_not_find_is_missing(orders, feeds, tmp_path):
    (tmp_path / "orders.csv").unlink()
    with pytest.raises(FeedMissing, match=r"orders\.csv"):
        feeds.keep(orders)


@pytest.mark.parametrize("how", ["", ", encoding = 'cp1251'"])
def test_a_text_in_an_encoding_that_the_query_cannot_read_is_told_how_to_convert(feeds, tmp_path, how):
    (tmp_path / "sales.csv").write_text("Клиент,Товар\n1,Молоко\n", encoding="cp1251")
    query = f"SELECT * FROM read_csv('{tmp_path}/sales.csv', header = true, all_varchar = true{how})"
    with pytest.raises(FeedRefused, match="iconv -f CP1251 -t UTF-8"):
        feeds.keep(FeedConfig(path=["duckdb://"], query=query))


def test_equal_rows_are_equal_bytes_in_whatever_order_they_come(shop, feeds):
    (before,) = feeds.keep(feed(shop, UNDATED))
    (again,) = feeds.keep(feed(shop, f"{UNDATED} ORDER BY paid DESC"))
    assert again.digest == before.digest
    assert len(list(feeds.raw.glob("*/*"))) == 1
    with closing(sqlite3.connect(shop)) as connection, connection:
        connection.execute("INSERT INTO lines VALUES (3, 'jam', 1, '2024-03-02')")
    assert feeds.keep(feed(shop, UNDATED))[0].digest != before.digest


def test_many_rows_come_in_batches_whose_types_agree_in_the_end(shop, feeds):
    query = """WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        SELECT i, CASE WHEN i > 45000 THEN 1.5 WHEN i > 40000 THEN i END AS number,
        CASE WHEN i > 45000 THEN 'x' ELSE i END AS mixed, NULL AS empty, X'C3A4' AS bytes FROM n"""
    (one,) = feeds.keep(feed(shop, query))
    (two,) = feeds.keep(feed(shop, f"{query} ORDER BY i % 7"))
    table = pq.read_table(one.copy)
    assert [str(field.type) for field in table.schema] == ["int64", "double", "string", "string", "string"]
    assert (table.num_rows, table["i"][-1].as_py(), table["bytes"][0].as_py()) == (50_001, 50_000, "ä")
    assert one.digest == two.digest


class TestRefusals:
    def test_day_without_rows_is_a_day_without_a_file(self, shop, feeds):
        with pytest.raises(FeedMissing, match=r"There is no row for 2024-03-03 at query on sqlite.*closed_days"):
            feeds.keep(feed(shop, DATED), days=[DAYS[0], dt.date(2024, 3, 3)])

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("SELECT * FROM receipts", "refused by the database: no such table: receipts"),
            ("SELECT price FROM lines", "refused by the database: no such column: price"),
            ("DELETE FROM lines", "gives no rows: it is no SELECT"),
        ],
    )
    def test_query_that_the_database_does_not_understand(self, shop, feeds, query, says):
        with pytest.raises(FeedRefused, match=says):
            feeds.keep(feed(shop, query))
        assert len(list(feeds.keep(feed(shop, UNDATED)))) == 1
        assert not list(feeds.raw.glob(".part-*"))

    def test_file_that_is_not_there_is_not_made(self, tmp_path, feeds):
        with pytest.raises(FeedMissing, match=r"There is no database .*nowhere.db"):
            feeds.keep(feed(tmp_path / "nowhere.db", UNDATED))
        assert not (tmp_path / "nowhere.db").exists()

    @pytest.mark.parametrize(
        ("url", "error", "says"),
        [
            ("", Refused, f"The environment variable {VARIABLE} is not set"),
            (f"ann:{SECRET}@host", FeedRefused, f"{VARIABLE} has no URL of a database"),
            (f"nodialect://ann:{SECRET}@host/shop", FeedRefused, "needs the driver"),
            (f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:9/shop", Unavailable, f"of {VARIABLE} does not answer"),
            (f"postgresql+psycopg://ann:{SECRET}@host:x/shop", FeedRefused, "has no URL"),
        ],
    )
    def test_database_that_cannot_be_reached_is_told_without_its_password(
        self, feeds, monkeypatch, url, error, says, caplog
    ):
        monkeypatch.setenv(VARIABLE, url)
        with pytest.raises(error, match=says) as raised:
            feeds.keep(FeedConfig(url_in=VARIABLE, query=DATED), days=DAYS)
        assert SECRET not in str(raised.value) + caplog.text
        assert raised.value.__suppress_context__ or not raised.value.__context__

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({}, "path names no file"),
            ({"url_in": VARIABLE}, "write the query beside it"),
            ({"query": UNDATED}, "query is of one database"),
            ({"query": UNDATED, "url_in": VARIABLE, "path": "sqlite:///a.db"}, "query is of one database"),
            ({"query": UNDATED, "path": f"postgresql://ann:{SECRET}@host/shop"}, "write url_in with its name"),
            ({"query": "SELECT * FROM a WHERE b = :day", "url_in": VARIABLE}, "query has :day, and only :date"),
            ({"query": UNDATED, "url_in": VARIABLE, "format": "csv"}, "format is of files"),
        ],
    )
    def test_settings_that_cannot_work(self, settings, says):
        with pytest.raises(ValueError, match=says):
            FeedConfig.model_validate(settings)

    def test_time_of_day_in_a_query_is_none_to_fill_in(self):
        assert not FeedConfig(url_in=VARIABLE, query="SELECT a::date FROM b WHERE c < '12:30'").is_dated


class TestPostgres:
    @pytest.fixture
    def url(self, postgres: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.URL]:
        schema = f"shop_{os.getpid()}"
        with postgres.connect() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
            connection.execute(
                sa.text(
                    f"CREATE TABLE {schema}.lines (who bigint, what text, paid numeric(8, 2), day date, at timestamptz, local "
                    "timestamp, is_card boolean, weight double precision, till uuid, tags jsonb)"
                )
            )
            for who, what, paid, day in LINES:
                connection.execute(
                    sa.text(
                        f"INSERT INTO {schema}.lines VALUES (:who, :what, :paid, :day, CAST(:day AS date) + interval '9 h', "
                        "CAST(:day AS date) + interval '9 h', true, 0.25, NULL, CAST('[1]' AS jsonb))"
                    ),
                    {"who": who, "what": what, "paid": paid, "day": dt.date.fromisoformat(day)},
                )
        url = postgres.url.set(password=SECRET).update_query_dict({"options": f"-csearch_path={schema}"})
        monkeypatch.setenv(VARIABLE, url.render_as_string(hide_password=False))
        yield url
        with postgres.connect() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))

    def test_same_lines_as_from_another_database(self, url, shop, feeds, engine):
        def rows(settings: FeedConfig) -> list[dict[str, Any]]:
            lines, _ = feeds.read(settings, engine=engine, columns=["who"], days=DAYS)
            chosen = lines.select(
                "who", "what", "file_date", paid=lines["paid"].cast("float64"), on=lines["day"].cast("date")
            )
            return chosen.order_by("on", "who").to_pyarrow().to_pylist()

        assert rows(FeedConfig(url_in=VARIABLE, query=DATED)) == rows(feed(shop, DATED))

    def test_types_are_kept(self, url, feeds):
        kept = feeds.keep(FeedConfig(url_in=VARIABLE, query="SELECT * FROM lines"))
        (file,) = kept
        first = pq.read_table(file.copy).to_pylist()[1]
        assert first["paid"] == decimal.Decimal("0.50")
        assert (first["day"], first["what"], first["is_card"], first["weight"]) == (DAYS[1], None, True, 0.25)
        assert first["local"] == dt.datetime(2024, 3, 2, 9)
        assert first["at"].tzinfo is not None
        assert (first["till"], first["tags"]) == (None, "[1]")
        assert (file.name, SECRET in file.copy.read_bytes().decode("latin-1")) == (f"query on {VARIABLE}", False)

    def test_what_the_server_refuses_is_told_in_a_line(self, url, feeds, monkeypatch):
        with pytest.raises(FeedRefused, match='refused by the database: relation "receipts" does not exist') as raised:
            feeds.keep(FeedConfig(url_in=VARIABLE, query="SELECT * FROM receipts"))
        assert "\n" not in str(raised.value)
        monkeypatch.setenv(VARIABLE, url.set(username="nobody").render_as_string(hide_password=False))
        with pytest.raises(FeedRefused, match="lets nobody in") as raised:
            feeds.keep(FeedConfig(url_in=VARIABLE, query=UNDATED))
        assert SECRET not in str(raised.value)


class TestSecretsOfUrls:
    @pytest.mark.parametrize(
        ("url", "told"),
        [
            (f"https://ann:{SECRET}@host/a.csv", "https://…@host/a.csv"),
            (f"ftp://ann:p@ss{SECRET}@host/a.csv", "ftp://…@host/a.csv"),
            (f"https://host/a.csv?sig={SECRET}&store=1", "https://host/a.csv?sig=…&store=1"),
            (f"https://host/{{date}}.csv?{SECRET}", "https://host/{date}.csv?…"),
            (f"{{date}} of https://host/?day={{date}}&k={SECRET}: no", "{date} of https://host/?day={date}&k=…"),
        ],
    )
    def test_are_left_out(self, url, told):
        assert without_secrets(url).startswith(told)
        assert SECRET not in without_secrets(url) + str(NightcartError(url, remedy=url))

    def test_paths_are_left_as_they_are(self):
        assert without_secrets("/a/sales_?.csv and s3://a/b@c.csv") == "/a/sales_?.csv and s3://a/b@c.csv"

    def test_are_in_no_name_and_no_row(self, feeds, engine, monkeypatch):
        path = f"https://ann:{SECRET}@host/a.csv?sig={SECRET}"
        monkeypatch.setattr(sources, "open_raw", lambda _: io.BytesIO(b"who,what\n1,milk\n"))
        monkeypatch.setattr(sources, "_state_of", lambda _: ())
        file = feeds.kept(path, None, FeedConfig(path=[path]))
        lines, _ = feeds.lines(FeedConfig(path=[path]), [file], engine=engine, columns=["who"])
        assert SECRET not in str(lines.to_pyarrow().to_pylist()) + file.name + str(file.copy)
        assert file.copy.name == "a.csv"
        with pytest.raises(FeedRefused) as raised:
            feeds.lines(FeedConfig(path=[path]), [file], engine=engine, columns=["price"])
        assert SECRET not in str(raised.value)
