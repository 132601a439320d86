"""The sandbox's own durable book: SQLite in WAL mode, every commit on disk before it is answered."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

IN_MEMORY = ":memory:"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS txn (
    reference TEXT PRIMARY KEY, txn TEXT NOT NULL, page_token TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    amount INTEGER NOT NULL, coin TEXT NOT NULL, via TEXT NOT NULL, take_now INTEGER NOT NULL,
    taken INTEGER NOT NULL, given_back INTEGER NOT NULL, fee INTEGER NOT NULL, is_released INTEGER NOT NULL,
    title TEXT NOT NULL, shop_order TEXT NOT NULL, back_to TEXT NOT NULL, tell TEXT NOT NULL, good_until REAL,
    why TEXT NOT NULL, script TEXT NOT NULL, created_at REAL NOT NULL, changed_at REAL NOT NULL,
    settles_at REAL, settles_to TEXT NOT NULL,
    CHECK (0 <= given_back AND given_back <= taken AND taken <= amount)
) STRICT;
CREATE INDEX IF NOT EXISTS txn_settles ON txn (settles_at) WHERE settles_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS txn_lapses ON txn (good_until) WHERE state = 'WAITING' AND good_until IS NOT NULL;
CREATE TABLE IF NOT EXISTS take (
    capture_reference TEXT NOT NULL, reference TEXT NOT NULL REFERENCES txn, amount INTEGER NOT NULL CHECK (amount > 0),
    fee INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (reference, capture_reference)
) STRICT;
CREATE INDEX IF NOT EXISTS take_at ON take (at);
CREATE TABLE IF NOT EXISTS give_back (
    reference TEXT PRIMARY KEY, give_back TEXT NOT NULL, of TEXT NOT NULL REFERENCES txn,
    amount INTEGER NOT NULL CHECK (amount > 0), coin TEXT NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL,
    note TEXT NOT NULL, tell TEXT NOT NULL, script TEXT NOT NULL,
    created_at REAL NOT NULL, changed_at REAL NOT NULL, settles_at REAL, settles_to TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS give_back_settles ON give_back (settles_at) WHERE settles_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS give_back_at ON give_back (changed_at);
CREATE TABLE IF NOT EXISTS keep (
    reference TEXT PRIMARY KEY, keep TEXT NOT NULL UNIQUE, page_token TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    via TEXT NOT NULL, who TEXT NOT NULL, card TEXT NOT NULL, title TEXT NOT NULL, back_to TEXT NOT NULL,
    tell TEXT NOT NULL, script TEXT NOT NULL, created_at REAL NOT NULL, changed_at REAL NOT NULL, why TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS contest (
    dispute TEXT PRIMARY KEY, of TEXT NOT NULL REFERENCES txn, txn TEXT NOT NULL, state TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), coin TEXT NOT NULL, why TEXT NOT NULL, fee INTEGER NOT NULL,
    answer_until REAL NOT NULL, tell TEXT NOT NULL, created_at REAL NOT NULL, changed_at REAL NOT NULL,
    answer TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS contest_of ON contest (of);
CREATE INDEX IF NOT EXISTS contest_due ON contest (answer_until) WHERE state IN ('ALERT', 'CONTESTED');
CREATE TABLE IF NOT EXISTS proof (
    dispute TEXT NOT NULL REFERENCES contest, digest TEXT NOT NULL, content_type TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (dispute, digest)
) STRICT;
CREATE TABLE IF NOT EXISTS notice (
    seq INTEGER PRIMARY KEY, url TEXT NOT NULL, body BLOB NOT NULL, is_forged INTEGER NOT NULL,
    due_at REAL, attempts INTEGER NOT NULL DEFAULT 0, ended TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS notice_due ON notice (due_at, seq) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS script (reference TEXT PRIMARY KEY, script TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fault (
    reference TEXT NOT NULL, operation TEXT NOT NULL, played INTEGER NOT NULL, PRIMARY KEY (reference, operation)
) STRICT;
"""


@dataclass(slots=True)
class Txn:
    """One payment in the provider's words. Times are unix seconds; amounts are minor units."""

    reference: str
    txn: str
    page_token: str
    state: str
    amount: int
    coin: str
    via: str
    take_now: int
    title: str
    shop_order: str
    back_to: str
    tell: str
    good_until: float | None
    script: str
    created_at: float
    changed_at: float
    taken: int = 0
    given_back: int = 0
    fee: int = 0
    is_released: int = 0
    why: str = ""
    settles_at: float | None = None
    settles_to: str = ""

    @property
    def held(self) -> int:
        """What can still be taken."""
        is_open = self.state in ("HELD", "PAID") and not self.take_now and not self.is_released
        return self.amount - self.taken if is_open else 0


@dataclass(slots=True)
class GiveBack:
    """One refund. While WORKING it already counts in the payment's ``given_back``."""

    reference: str
    give_back: str
    of: str
    amount: int
    coin: str
    state: str
    note: str
    tell: str
    script: str
    created_at: float
    changed_at: float
    why: str = ""
    settles_at: float | None = None
    settles_to: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    capture_reference: str
    reference: str
    amount: int
    fee: int
    at: float


@dataclass(slots=True)
class Keep:
    """A payer's card or bank account, kept for later charges. ``keep`` is what charges name; ``card`` tells two of
    them apart."""

    reference: str
    keep: str
    page_token: str
    state: str
    via: str
    who: str
    card: str
    title: str
    back_to: str
    tell: str
    script: str
    created_at: float
    changed_at: float
    why: str = ""


@dataclass(slots=True)
class Contest:
    """A payer who wants the money of a payment back. ``answer`` is the shop's, as JSON; empty: not given yet."""

    dispute: str
    of: str
    txn: str
    state: str
    amount: int
    coin: str
    why: str
    fee: int
    answer_until: float
    tell: str
    created_at: float
    changed_at: float
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    seq: int
    url: str
    body: bytes
    is_forged: bool
    attempts: int


def _upsert(table: str, row_type: type, *, key: str) -> str:
    names = [column.name for column in fields(row_type)]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != key)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"  # noqa: S608 — names from this file


def _values(row_type: type) -> Callable[[Any], tuple[Any, ...]]:
    """``dataclasses.astuple`` copies deeply, which costs more than the insert."""
    return attrgetter(*(column.name for column in fields(row_type)))


def _columns(row_type: type) -> str:
    return ", ".join(column.name for column in fields(row_type))


_SAVE_TXN = _upsert("txn", Txn, key="reference")
_SAVE_GIVE_BACK = _upsert("give_back", GiveBack, key="reference")
_SAVE_KEEP = _upsert("keep", Keep, key="reference")
_SAVE_CONTEST = _upsert("contest", Contest, key="dispute")
_TXN_VALUES, _GIVE_BACK_VALUES, _TAKE_VALUES = _values(Txn), _values(GiveBack), _values(Take)
_KEEP_VALUES, _CONTEST_VALUES = _values(Keep), _values(Contest)
_SELECT_TXN = f"SELECT {_columns(Txn)} FROM txn"  # noqa: S608 — names from this file
_SELECT_GIVE_BACK = f"SELECT {_columns(GiveBack)} FROM give_back"  # noqa: S608 — names from this file
_SELECT_TAKE = f"SELECT {_columns(Take)} FROM take"  # noqa: S608 — names from this file
_SELECT_KEEP = f"SELECT {_columns(Keep)} FROM keep"  # noqa: S608 — names from this file
_SELECT_CONTEST = f"SELECT {_columns(Contest)} FROM contest"  # noqa: S608 — names from this file


class Book:
    """One connection, one writer at a time; other processes may open the same file.

    ``is_durable=False`` is for benchmarks and tests only: commits are then not forced to disk.
    """

    def __init__(self, path: str | Path = IN_MEMORY, *, is_durable: bool = True) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it on disk, or none. Not re-entrant."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, statement: str, *arguments: Any) -> list[Any]:
        return self._connection.execute(statement, arguments).fetchall()

    def change(self, statement: str, *arguments: Any) -> int:
        return self._connection.execute(statement, arguments).rowcount

    def save_txn(self, txn: Txn) -> None:
        self._connection.execute(_SAVE_TXN, _TXN_VALUES(txn))

    def save_give_back(self, give_back: GiveBack) -> None:
        self._connection.execute(_SAVE_GIVE_BACK, _GIVE_BACK_VALUES(give_back))

    def find_txn(self, reference: str) -> Txn | None:
        return next((Txn(*row) for row in self.rows(f"{_SELECT_TXN} WHERE reference = ?", reference)), None)

    def find_txn_by_page(self, page_token: str) -> Txn | None:
        return next((Txn(*row) for row in self.rows(f"{_SELECT_TXN} WHERE page_token = ?", page_token)), None)

    def due_txns(self, now: float, *, limit: int) -> list[Txn]:
        where = "settles_at <= ? OR (state = 'WAITING' AND good_until IS NOT NULL AND good_until <= ?)"
        return [Txn(*row) for row in self.rows(f"{_SELECT_TXN} WHERE {where} LIMIT ?", now, now, limit)]

    def find_give_back(self, reference: str) -> GiveBack | None:
        rows = self.rows(f"{_SELECT_GIVE_BACK} WHERE reference = ?", reference)
        return next((GiveBack(*row) for row in rows), None)

    def due_give_backs(self, now: float, *, limit: int) -> list[GiveBack]:
        rows = self.rows(f"{_SELECT_GIVE_BACK} WHERE settles_at <= ? LIMIT ?", now, limit)
        return [GiveBack(*row) for row in rows]

    def given_back_between(self, start: float, end: float) -> list[GiveBack]:
        where = "changed_at >= ? AND changed_at < ? AND state = 'GIVEN' ORDER BY changed_at, reference"
        return [GiveBack(*row) for row in self.rows(f"{_SELECT_GIVE_BACK} WHERE {where}", start, end)]

    def add_take(self, take: Take) -> None:
        self._connection.execute("INSERT INTO take VALUES (?, ?, ?, ?, ?)", _TAKE_VALUES(take))

    def find_take(self, reference: str, *, capture_reference: str) -> Take | None:
        where = "reference = ? AND capture_reference = ?"
        rows = self.rows(f"{_SELECT_TAKE} WHERE {where}", reference, capture_reference)
        return next((Take(*row) for row in rows), None)

    def taken_between(self, start: float, end: float) -> list[Take]:
        rows = self.rows(f"{_SELECT_TAKE} WHERE at >= ? AND at < ? ORDER BY at, capture_reference", start, end)
        return [Take(*row) for row in rows]

    def save_keep(self, keep: Keep) -> None:
        self._connection.execute(_SAVE_KEEP, _KEEP_VALUES(keep))

    def find_keep(self, reference: str) -> Keep | None:
        return next((Keep(*row) for row in self.rows(f"{_SELECT_KEEP} WHERE reference = ?", reference)), None)

    def find_keep_by_token(self, token: str) -> Keep | None:
        return next((Keep(*row) for row in self.rows(f"{_SELECT_KEEP} WHERE keep = ?", token)), None)

    def find_keep_by_page(self, page_token: str) -> Keep | None:
        return next((Keep(*row) for row in self.rows(f"{_SELECT_KEEP} WHERE page_token = ?", page_token)), None)

    def save_contest(self, contest: Contest) -> None:
        self._connection.execute(_SAVE_CONTEST, _CONTEST_VALUES(contest))

    def find_contest(self, dispute: str) -> Contest | None:
        return next((Contest(*row) for row in self.rows(f"{_SELECT_CONTEST} WHERE dispute = ?", dispute)), None)

    def contests_of(self, reference: str) -> list[Contest]:
        """Newest first."""
        where = "of = ? ORDER BY created_at DESC, dispute"
        return [Contest(*row) for row in self.rows(f"{_SELECT_CONTEST} WHERE {where}", reference)]

    def due_contests(self, now: float, *, limit: int) -> list[Contest]:
        where = "answer_until <= ? AND state IN ('ALERT', 'CONTESTED') LIMIT ?"
        return [Contest(*row) for row in self.rows(f"{_SELECT_CONTEST} WHERE {where}", now, limit)]

    def add_proof(self, dispute: str, *, digest: str, content_type: str, size: int) -> None:
        self.change("INSERT OR IGNORE INTO proof VALUES (?, ?, ?, ?)", dispute, digest, content_type, size)

    def has_proof(self, dispute: str, *, digest: str) -> bool:
        return bool(self.rows("SELECT 1 FROM proof WHERE dispute = ? AND digest = ?", dispute, digest))

    def add_notice(self, *, url: str, body: bytes, due_at: float, is_forged: bool = False) -> None:
        self.change(
            "INSERT INTO notice (url, body, is_forged, due_at) VALUES (?, ?, ?, ?)", url, body, is_forged, due_at
        )

    def due_notices(self, now: float, *, limit: int) -> list[Notice]:
        statement = (
            "SELECT seq, url, body, is_forged, attempts FROM notice WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?"
        )
        return [
            Notice(seq, url, body, bool(is_forged), attempts)
            for seq, url, body, is_forged, attempts in self.rows(statement, now, limit)
        ]

    def script_for(self, reference: str, *, own: str = "", or_default: bool = False) -> str:
        """What was set for ``reference``, else its ``own``, else (if asked) the server-wide default, which is kept
        under the empty reference."""
        texts = dict(self.rows("SELECT reference, script FROM script WHERE reference IN (?, '')", reference))
        return texts.get(reference, "") or own or (texts.get("", "") if or_default else "")

    def set_script(self, reference: str, text: str) -> None:
        self.change("INSERT OR REPLACE INTO script VALUES (?, ?)", reference, text)

    def count_fault(self, reference: str, operation: str) -> int:
        """How many times this fault was played, this one included."""
        statement = (
            "INSERT INTO fault VALUES (?, ?, 1) ON CONFLICT (reference, operation) DO UPDATE SET played = played + 1"
            " RETURNING played"
        )
        played: int = self.rows(statement, reference, operation)[0][0]
        return played
