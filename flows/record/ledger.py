"""Ledger: the append-only record of every promotion, rollback and refusal.

One SQL table; SQLite by default, PostgreSQL by URL. Triggers in the database refuse UPDATE and DELETE, so not
even another program changes a row by accident.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sql

Action = Literal["promote", "rollback", "refuse"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row.

    Attributes:
        intent: names the act; a second row with the same intent is never written.
        when: Unix seconds UTC.
        who: login name of who asked.
        action: promote, rollback or refuse.
        from_bento: tag that answered before, "" for none.
        to_bento: tag that answers from now on; for a refusal the tag that was turned down,
            "" if it was not packaged.
        bundle: digest of that model's bundle.
        version: number in the MLflow registry, "" for none.
        run_id: MLflow run that made it.
        snapshot: digest of the data behind it.
        generation: id of the code table.
        verdict: the gate's findings as JSON-like values.
        reason: one line for people.
        seq: position in the ledger, 1-based; 0 before it is written.
    """

    intent: str
    when: int
    who: str
    action: Action
    from_bento: str
    to_bento: str
    bundle: str
    version: str
    run_id: str
    snapshot: str
    generation: str
    verdict: dict[str, Any]
    reason: str
    seq: int = 0


_metadata = sql.MetaData()
_text = [
    sql.Column(name, sql.Text, nullable=False)
    for name in ("who", "action", "from_bento", "to_bento", "bundle", "version", "run_id", "snapshot")
]
_table = sql.Table(
    "ledger",
    _metadata,
    sql.Column("seq", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("intent", sql.Text, nullable=False, unique=True),
    sql.Column("when", sql.BigInteger, nullable=False),
    *_text,
    sql.Column("generation", sql.Text, nullable=False),
    sql.Column("verdict", sql.Text, nullable=False),
    sql.Column("reason", sql.Text, nullable=False),
    sqlite_autoincrement=True,
)

_SQLITE_GUARD = """CREATE TRIGGER ledger_no_{act} BEFORE {act} ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {act} is refused'); END"""
_POSTGRES_REFUSAL = """CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append-only: %% is refused', TG_OP; END; $$ LANGUAGE plpgsql"""
_POSTGRES_GUARD = """CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"""

for _dialect, _statement in (
    ("sqlite", _SQLITE_GUARD.format(act="UPDATE")),
    ("sqlite", _SQLITE_GUARD.format(act="DELETE")),
    ("postgresql", _POSTGRES_REFUSAL),
    ("postgresql", _POSTGRES_GUARD),
):
    sql.event.listen(_table, "after_create", sql.DDL(_statement).execute_if(dialect=_dialect))


class Ledger:
    """The ledger behind one SQLAlchemy URL; the table is made at the first use."""

    def __init__(self, url: str) -> None:
        self._engine = sql.create_engine(url)
        _metadata.create_all(self._engine)

    def append(self, entry: Entry) -> Entry:
        """Write `entry` unless its intent is recorded already; returns the row that is in the ledger."""
        with self._engine.begin() as connection:
            known = connection.execute(sql.select(_table).where(_table.c.intent == entry.intent)).first()
            if known is None:
                connection.execute(sql.insert(_table).values(**_row(entry)))
                known = connection.execute(sql.select(_table).where(_table.c.intent == entry.intent)).one()
        return _entry(known)

    def find(self, intent: str) -> Entry | None:
        """The row of one act, None if it was not written."""
        with self._engine.connect() as connection:
            row = connection.execute(sql.select(_table).where(_table.c.intent == intent)).first()
        return None if row is None else _entry(row)

    def entries(self) -> list[Entry]:
        """All rows, oldest first."""
        with self._engine.connect() as connection:
            return [_entry(row) for row in connection.execute(sql.select(_table).order_by(_table.c.seq))]

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _row(entry: Entry) -> dict[str, Any]:
    names = [name for name in Entry.__slots__ if name not in ("seq", "verdict")]
    verdict = json.dumps(entry.verdict, ensure_ascii=False, sort_keys=True)
    return {name: getattr(entry, name) for name in names} | {"verdict": verdict}


def _entry(row: Any) -> Entry:
    values = dict(row._mapping)
    return Entry(**values | {"verdict": json.loads(values["verdict"])})
