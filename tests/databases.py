"""The test database: migrated once per state of the migrations, copied for each process that runs tests.

To migrate takes a quarter of a minute, to copy half a second. The copy is new each time, so ``--create-db`` changes
nothing, and ``--reuse-db`` only that the database is left there in the end.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django import VERSION
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.quick_migrations import quick_migrations

_TEMPLATES = "template_"
_BEING_MADE = "template_being_made"
_LOCK = 7_305_311  # any number that nobody else locks


def make_test_database() -> str:
    """Make the test database of this process and lead the connection to it; the name of the one used so far."""
    before, wanted = str(connection.settings_dict["NAME"]), connection.creation._get_test_db_name()
    connection.close()
    with _alone() as cursor:
        template = _TEMPLATES + _state_of_the_migrations()
        if not _exists(cursor, template):
            _make_template(cursor, template)
        cursor.execute(f'DROP DATABASE IF EXISTS "{wanted}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{wanted}" TEMPLATE "{template}"')
    _lead_to(wanted)
    return before


def drop_test_database(*, then: str) -> None:
    """Drop the test database of this process and lead the connection back to ``then``."""
    made = str(connection.settings_dict["NAME"])
    _lead_to(then)
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{made}" WITH (FORCE)')


@contextmanager
def _alone() -> Iterator[Any]:
    """One process at a time makes the template or copies it: PostgreSQL copies none that is in use."""
    with connection._nodb_cursor() as cursor:
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        yield cursor  # the lock ends with the connection


def _make_template(cursor: Any, name: str) -> None:
    cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_TEMPLATES])
    for (outdated,) in cursor.fetchall():
        cursor.execute(f'DROP DATABASE "{outdated}" WITH (FORCE)')
    cursor.execute(f'CREATE DATABASE "{_BEING_MADE}"')
    before = str(connection.settings_dict["NAME"])
    _lead_to(_BEING_MADE)
    try:
        with quick_migrations():
            call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    finally:
        _lead_to(before)
    cursor.execute(f'ALTER DATABASE "{_BEING_MADE}" RENAME TO "{name}"')  # a migration cut short never has this name


def _exists(cursor: Any, name: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return cursor.fetchone() is not None


def _lead_to(name: str) -> None:
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def _state_of_the_migrations() -> str:
    """What a migrated database depends on: our migrations, the SQL they install, other people's versions."""
    project = Path(settings.BASE_DIR)
    apps = [path.parent for path in project.glob("*/migrations")]
    files = [path for app in apps for pattern in ("migrations/*.py", "**/*.sql") for path in app.glob(pattern)]
    digest = hashlib.sha256(repr(VERSION).encode())
    for path in sorted([*files, project / "requirements.txt", project / "paycore" / "database.py"]):
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:20]
