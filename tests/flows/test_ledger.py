"""The ledger keeps every row as it was written."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError

from flows.record.ledger import Entry, Ledger

ENTRY = Entry(
    intent="a",
    when=1_511_000_000,
    who="ada",
    action="promote",
    from_bento="",
    to_bento="encore:1",
    bundle="d1",
    version="1",
    run_id="r1",
    snapshot="s1",
    generation="g1",
    verdict={"passed": True, "ndcg_at_10": 0.25},
    reason="first champion",
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def test_rows_come_back_in_order_and_unchanged(url):
    ledger = Ledger(url)
    ledger.append(ENTRY)
    ledger.append(replace(ENTRY, intent="b", action="rollback"))
    assert Ledger(url).entries() == [
        replace(ENTRY, seq=1),
        replace(ENTRY, intent="b", action="rollback", seq=2),
    ]


def test_one_intent_is_written_once(url):
    ledger = Ledger(url)
    first = ledger.append(ENTRY)
    assert ledger.append(replace(ENTRY, reason="again")) == first
    assert len(ledger.entries()) == 1


@pytest.mark.parametrize("statement", ["UPDATE ledger SET who = 'eve'", "DELETE FROM ledger"])
def test_the_database_refuses_to_change_the_past(url, statement):
    ledger = Ledger(url)
    ledger.append(ENTRY)
    engine = sql.create_engine(url)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(sql.text(statement))
    assert ledger.entries() == [replace(ENTRY, seq=1)]
