"""A clock that stands still until it is moved: the database's own, for every connection of a test.

Functions of the database that tell the time are found by name when they run, so a schema that is searched first may
have others of the same names. Everything lives in one time then, as in production: subscriptions, orders, leases.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

_INSTALL = """
    CREATE SCHEMA IF NOT EXISTS simulated;
    CREATE TABLE IF NOT EXISTS simulated.clock (at timestamptz NOT NULL);
    TRUNCATE simulated.clock;
    CREATE OR REPLACE FUNCTION simulated.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS 'SELECT at FROM simulated.clock';
    CREATE OR REPLACE FUNCTION simulated.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS 'SELECT at FROM simulated.clock';
    CREATE OR REPLACE FUNCTION simulated.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS 'SELECT at FROM simulated.clock';
    CREATE OR REPLACE FUNCTION simulated.move(by interval) RETURNS void LANGUAGE sql
        AS 'UPDATE simulated.clock SET at = at + by';
"""
_USE = "SET search_path TO simulated, public, pg_catalog; SET synchronous_commit TO off"
"""Those who die here are threads, and the server lives on: nothing is lost by not waiting for the disk."""


class SimulatedClock:
    """``at`` is the time; only :meth:`set` moves it. ``time_ns`` stands in for the module ``time`` where ids are made,
    so that ids sort by simulated time as well."""

    def __init__(self) -> None:
        self.at = datetime(2027, 1, 1, tzinfo=UTC)
        self._count = 0
        self._lock = threading.Lock()

    def install(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_INSTALL)
            cursor.execute("INSERT INTO simulated.clock VALUES (%s)", [self.at])
        connection_created.connect(_use)
        _use(connection=connection)

    def remove(self) -> None:
        """For connections to come, and this one; those of other threads must be closed."""
        connection_created.disconnect(_use)
        with connection.cursor() as cursor:
            cursor.execute("SET search_path TO DEFAULT; SET synchronous_commit TO DEFAULT")
            cursor.execute("DROP SCHEMA simulated CASCADE")

    def set(self, at: datetime) -> None:
        self.at = at
        with connection.cursor() as cursor:
            cursor.execute("UPDATE simulated.clock SET at = %s", [at])

    def move(self, by: timedelta) -> None:
        self.set(self.at + by)

    def seconds(self) -> float:
        return self.at.timestamp()

    def time_ns(self) -> int:
        with self._lock:
            self._count += 1
            return int(self.at.timestamp()) * 1_000_000_000 + self._count % 1_000_000_000


def _use(*, connection: Any, **_more: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_USE)
