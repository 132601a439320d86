"""Emptying the tables after a test that committed.

Django truncates all of them and fills in its content types and permissions again: half a second and more, most of it
for tables that nobody touched. Here only rows that are there are deleted. The content types and permissions stay.
"""

from typing import Any

from django.core.management import call_command
from django.db import connection

_KEPT = ("django_content_type", "auth_permission")
_SMALL_BYTES = 256 * 1024

# Writers of other connections that are not done are waited for, as TRUNCATE does. As a replica the session fires no
# triggers: neither foreign keys nor the guards of append-only tables ask anything.
_EMPTY = """
DO $$
DECLARE
    one text;
    has_rows boolean;
BEGIN
    {lock}
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT name FROM unnest(ARRAY[{tables}]) AS name WHERE pg_relation_size(name::regclass) > 0 LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', one) INTO has_rows;
        IF has_rows THEN
            EXECUTE format('DELETE FROM %I', one);
        END IF;
    END LOOP;
END $$
"""
_GROWN = """
    SELECT name FROM unnest(%s::text[]) AS name WHERE pg_relation_size(name::regclass) > %s
"""


def empty_all_tables() -> None:
    """Delete every row of every model's table, but for what ``migrate`` itself writes."""
    tables = [table for table in connection.introspection.django_table_names(only_existing=True) if table not in _KEPT]
    quoted = [connection.ops.quote_name(table) for table in tables]
    lock = f"LOCK TABLE {', '.join(quoted)} IN EXCLUSIVE MODE;"
    with connection.cursor() as cursor:
        cursor.execute("SHOW is_superuser")
        if cursor.fetchone() != ("on",):  # nobody else may act as a replica
            call_command("flush", verbosity=0, interactive=False)
            return
        cursor.execute(_EMPTY.format(lock=lock, tables=", ".join(f"'{table}'" for table in tables)))
        cursor.execute(_GROWN, [tables, _SMALL_BYTES])
        if grown := [name for (name,) in cursor.fetchall()]:
            cursor.execute(f"VACUUM {', '.join(map(connection.ops.quote_name, grown))}")


def empty_after_test(_test_case: Any) -> None:
    """Stands in for ``TransactionTestCase._fixture_teardown``."""
    empty_all_tables()
