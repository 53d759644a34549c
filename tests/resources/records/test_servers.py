"""What a Postgres server does not do is told in our words, and whether waiting helps; a sleeping process holds nobody up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from resources.errors import NightcartError, Refused, Unavailable, of_postgres
from resources.records import database
from resources.records.alerts import Heartbeat
from resources.records.store import OperationsDatabase
from tests.resources.records.test_store import MARCH, decision

SECRET = "hunter2"


@pytest.fixture
def url(new_database: Callable[[str], str]) -> Iterator[sa.URL]:
    database.connected.cache_clear()
    yield sa.make_url(new_database("operations"))
    database.connected.cache_clear()


def refusal(url: sa.URL) -> NightcartError:
    with pytest.raises(NightcartError) as told:
        OperationsDatabase(url=url.render_as_string(hide_password=False)).trail()
    assert SECRET not in str(told.value)
    return told.value


def test_a_server_that_is_down_is_waited_for(url: sa.URL):
    told = refusal(url.set(host="127.0.0.1", port=1, password=SECRET, query={}))
    assert isinstance(told, Unavailable)
    assert told.message == "The database of NIGHTCART_OPERATIONS_URL does not answer."


@pytest.mark.parametrize(
    "wrong", ["postgresql+psycopg://a:hun:ter2@h:x/db", "postgresql+nothing://a:hunter2@h/db", "hunter2"]
)
def test_a_url_that_nobody_understands_is_told_without_it(wrong: str):
    with pytest.raises(Refused, match="NIGHTCART_OPERATIONS_URL has no URL that SQLAlchemy understands") as told:
        OperationsDatabase(url=wrong).trail()
    assert "ter2" not in str(told.value)


def test_a_name_that_nobody_has_is_waited_for(url: sa.URL):
    assert isinstance(refusal(url.set(host="no.such.host.invalid", query={})), Unavailable)


def test_a_database_that_is_missing_is_named_with_what_makes_it(url: sa.URL):
    told = refusal(url.set(database="gone"))
    assert isinstance(told, Refused)
    assert "NIGHTCART_OPERATIONS_URL is not on its server" in told.message
    assert "CREATE DATABASE" in told.remedy


def test_a_user_without_rights_is_told_how_to_get_them(url: sa.URL, postgres: sa.Engine):
    with postgres.connect() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS poor"))
        connection.execute(sa.text("CREATE ROLE poor LOGIN"))
    assert "ALTER DATABASE name OWNER TO user" in refusal(url.set(username="poor")).remedy
    told = refusal(url.set(username="nobody"))
    assert isinstance(told, Refused)
    assert "lets nobody in with this user and password" in told.message


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        (f'FATAL:  password authentication failed for user "{SECRET}"', Refused),
        ("fe_sendauth: no password supplied", Refused),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', Refused),
        ("SSL error: certificate verify failed", Refused),
        ('root certificate file "/etc/ca.crt" does not exist', Refused),
        ("FATAL:  sorry, too many clients already", Unavailable),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", Unavailable),
        ("FATAL:  the database system is starting up", Unavailable),
    ],
)
def test_who_is_not_let_in_is_told_why(says: str, kind: type[NightcartError]):
    told = of_postgres(psycopg.OperationalError(f'connection failed: connection to server at "h" failed: {says}'))
    assert type(told) is kind
    assert SECRET not in str(told)


def test_a_mistake_of_ours_is_no_fault_of_the_server(url: sa.URL):
    made = OperationsDatabase(url=url.render_as_string(hide_password=False))
    made.trail()
    with pytest.raises(exc.ProgrammingError), made._writing() as connection:
        connection.execute(sa.text("SELECT * FROM nothing_of_that_name"))


def test_connections_that_the_server_has_ended_are_made_anew(url: sa.URL, postgres: sa.Engine):
    made = OperationsDatabase(url=url.render_as_string(hide_password=False))
    made.record(decision(MARCH[0], 1, before=None, after=1))
    ended = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with made._engine.connect() as busy:
        with postgres.connect() as connection:
            connection.execute(ended, {"name": url.database})
        with pytest.raises(Unavailable, match="does not answer"):
            busy.execute(sa.text("SELECT 1"))
    made.record(decision(MARCH[1], 2, before=1, after=2))
    assert made.flaws() == []


def test_a_process_that_sleeps_in_a_transaction_holds_nobody_up_for_long(url: sa.URL):
    made = OperationsDatabase(url=url.render_as_string(hide_password=False))
    writing = made._writing()
    sleeping = writing.__enter__()
    assert sleeping.scalar(sa.text("SHOW idle_in_transaction_session_timeout")) == "45s"
    sleeping.execute(sa.text("SET idle_in_transaction_session_timeout = '200ms'"))
    made.beat("watch", now=decision(MARCH[0], 1, before=None, after=1).decided_at)  # waits for it
    with pytest.raises(Unavailable, match="slept in the middle of a write"):
        sleeping.execute(sa.text("SELECT 1"))
    assert [each.name for each in made.records(Heartbeat)] == ["watch"]
