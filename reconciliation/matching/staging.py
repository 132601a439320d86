"""A statement's lines into a table of their own, by COPY, in stretches: memory stays flat and progress is seen."""

from collections.abc import Callable
from itertools import islice

from django.db import DataError, connection

from reconciliation.errors import StatementRefused
from reconciliation.statements.files import file_pieces
from reconciliation.statements.layouts import Layout
from reconciliation.statements.models import Statement, StatementFile
from reconciliation.statements.reader import Stretch, read_statement

STRETCHES_AT_ONCE = 6
"""Stretches, each of a megabyte of the file, that are held while one COPY takes them."""

# Not logged and not indexed: it is read once, by a hash join, and made anew from the file whenever it is missing.
_CREATE = """
    CREATE UNLOGGED TABLE {table} (
        line bigint NOT NULL, reference text COLLATE "C" NOT NULL, kind "char" NOT NULL,
        payment text COLLATE "C", amount bigint NOT NULL, fee bigint NOT NULL, currency text COLLATE "C" NOT NULL
    ) WITH (autovacuum_enabled = false)
"""


def stage(statement: Statement, file: StatementFile, layout: Layout, *, on_progress: Callable[[int], None]) -> int:
    """Fill the statement's stage table from ``file``; how many lines. ``on_progress`` hears lines read so far.

    Raises :class:`StatementRefused`. The caller holds the statement's lock and no transaction.
    """
    drop_stage(statement)
    with connection.cursor() as cursor:
        cursor.execute(_CREATE.format(table=statement.stage_table))
    stretches = read_statement(file_pieces(file), layout)
    lines = 0
    while group := list(islice(stretches, STRETCHES_AT_ONCE)):
        lines = group[-1].lines
        _copy(statement, group)
        on_progress(lines)
    return lines


def drop_stage(statement: Statement) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {statement.stage_table}")


def _copy(statement: Statement, group: list[Stretch]) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.copy_expert(f"COPY {statement.stage_table} FROM STDIN (FORMAT csv, NULL '')", _Texts(group))
        except DataError as error:
            raise StatementRefused("bad_amount", detail=str(error).partition("\n")[0][:100]) from error


class _Texts:
    """What COPY reads from: a stretch at each call, then nothing."""

    def __init__(self, group: list[Stretch]) -> None:
        self._left = [stretch.text for stretch in reversed(group)]

    def read(self, _size: int = -1) -> str:
        return self._left.pop() if self._left else ""
