"""What only a server has: a password, and being away."""

import logging
import sys
import time

import psycopg
import pytest

from data.event_store import open_store
from data.event_store.event import Added, Event, StoreError
from data.event_store.users import UserKeys

PASSWORD = "s3cret"  # the start of the one in tests/conftest.py
NOWHERE = "postgresql://shop:s3cret%2Fword@127.0.0.1:1/db"
ONE = Event("e1", "ann", "10", 100, "purchase")


def test_a_database_that_is_away_is_told_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(NOWHERE, UserKeys())
    assert "event=event_store_away" in caplog.text
    with pytest.raises(StoreError, match=r"postgresql://127\.0\.0\.1:1/db: .*refused") as error:
        store.add([[ONE]])
    with pytest.raises(StoreError, match=r"refused \(asked again in"):
        store.add([[ONE]])
    assert PASSWORD not in str(error.value) + caplog.text
    store.close()


def test_without_psycopg_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package psycopg, but got none installed: pip install"):
        open_store(NOWHERE, UserKeys())


@pytest.mark.parametrize("url", ["mysql://shop:s3cret@db/x", "postgresql://shop:s3cret/word@127.0.0.1:1/db"])
def test_an_address_of_another_form_is_refused_unseen(url: str) -> None:
    with pytest.raises(ValueError, match="ENCORE_EVENTS must") as error:
        open_store(url, UserKeys())
    assert PASSWORD not in str(error.value)


@pytest.mark.slow
def test_a_broken_connection_is_opened_again(postgres: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = open_store(postgres, UserKeys())
    store.add([[ONE]])
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'encore-events'"
        )
        with pytest.raises(StoreError, match="terminating connection"):
            store.add([[ONE]])
    time.sleep(1.1)  # left alone for a second
    assert store.add([[ONE]]) == [Added((), known=1, forgotten=0)]
    assert PASSWORD not in caplog.text
    store.close()


@pytest.mark.slow
def test_a_database_that_does_not_answer_holds_nobody_up(postgres: str) -> None:
    store = open_store(postgres, UserKeys())
    store.add([[ONE]])
    assert len(store.of_user("ann", kinds=["purchase"], since=0, limit=9).rows) == 1
    with psycopg.connect(postgres.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        for most in (0.5, 0.05):  # the first waits a while; the next one knows
            start = time.monotonic()
            with pytest.raises(StoreError, match=r"no answer within|still waits"):
                store.of_user("ann", kinds=["purchase"], since=0, limit=9)
            assert time.monotonic() - start < most
    deadline = time.monotonic() + 10
    while True:
        try:
            assert len(store.of_user("ann", kinds=["purchase"], since=0, limit=9).rows) == 1
            break
        except StoreError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    store.close()
