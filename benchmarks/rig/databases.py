"""Two databases beside the one in ``DATABASE_URL``: ours with paycore's tables, and the bound's. Made anew each run."""

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg2
from django.core.management import call_command

OURS, BOUND = "paycore_bench", "paycore_bound"
BOUNDS = Path(__file__).resolve().parent.parent / "bounds"


def prepare_ours() -> str:
    """An empty, migrated database, and Django in this process set up to use it; its address."""
    url = prepare_empty(OURS)
    os.environ["DATABASE_URL"] = url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paycore.settings")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    return url


def prepare_bound() -> str:
    """The smallest schema a payment must leave behind, in a database of its own; its address."""
    url = prepare_empty(BOUND)
    run_sql(url, (BOUNDS / "pay_schema.sql").read_text(encoding="utf-8"))
    return url


def require_durable(url: str) -> str:
    """The conditions as one line. Refuses to measure a PostgreSQL that does not keep what it acknowledged."""
    shown = {name: run_sql(url, f"SHOW {name}")[0][0] for name in ("fsync", "synchronous_commit", "server_version")}
    if shown["fsync"] != "on" or shown["synchronous_commit"] != "on":
        raise SystemExit(f"PostgreSQL must run with fsync and synchronous_commit on, not {shown}.")
    return f"PostgreSQL {shown['server_version']}, fsync on, synchronous_commit on"


def run_sql(url: str, sql: str) -> list[tuple[object, ...]]:
    """Run one text outside a transaction; the rows of its last statement."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def prepare_empty(name: str) -> str:
    """An empty database beside the given one; its address."""
    given = os.environ.get("DATABASE_URL")
    if not given:
        raise SystemExit("No DATABASE_URL. Run `make bench-NAME`, which brings a PostgreSQL and a Redis along.")
    run_sql(given, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    run_sql(given, f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(given)._replace(path=f"/{name}"))
