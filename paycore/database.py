"""SQL functions that live beside the services that call them, and calls to them in one round trip.

Three paths are hot (pay, callback, renewal). There, what must happen together happens in one PL/pgSQL function: its
statements are planned once per connection, and the transaction needs no round trip of its own.
"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, migrations


class InstallSqlFunction(migrations.RunSQL):
    """Runs a ``CREATE OR REPLACE FUNCTION`` file, named by its path below the project.

    The file is read when the migration runs. After a change of the file, add a migration that installs it again: older
    ones then install the same newest text, which is harmless, for PostgreSQL checks a body only when it first runs.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(sql=(Path(settings.BASE_DIR) / path).read_text(encoding="utf-8"), reverse_sql="")

    def deconstruct(self) -> Any:
        return self.__class__.__qualname__, [self.path], {}


def call_function(name: str, *arguments: Any) -> Any:
    """``SELECT name(arguments)``: the single value it returns. ``name`` is ours, never a caller's."""
    # Once, not per use: Django's ``connection`` finds the thread's own at every touch.
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"SELECT {name}({', '.join(['%s'] * len(arguments))})", arguments)
        return cursor.fetchone()[0]
