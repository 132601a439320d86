"""A statement's file as proved lines, whoever can read it: the adapter of its gateway, or the columns of a layout."""

from collections.abc import Iterator

from paycore.errors import NotFound
from payments.gateways.abilities import StatementReader
from payments.routing.connections import connect
from payments.routing.services import get_account
from reconciliation.statements.files import file_pieces
from reconciliation.statements.layouts import Layout
from reconciliation.statements.models import Statement, StatementFile
from reconciliation.statements.own_files import HEADER, rows_of
from reconciliation.statements.reader import Stretch, pick_lines, pick_rows, prove_rows, read_statement


def stretches_of(statement: Statement, file: StatementFile, layout: Layout) -> Iterator[Stretch]:
    """Raises :class:`StatementRefused` at the first thing that is wrong."""
    reader = _reader_of(statement)
    if reader is None:
        return read_statement(file_pieces(file), layout)
    return prove_rows(rows_of(reader, file_pieces(file)), HEADER, layout)


def picked_lines(
    statement: Statement, file: StatementFile, layout: Layout, *, numbers: set[int]
) -> dict[int, dict[str, str]]:
    """The lines with these numbers, by column name."""
    reader = _reader_of(statement)
    if reader is None:
        return pick_lines(file_pieces(file), layout, numbers=numbers)
    return pick_rows(rows_of(reader, file_pieces(file)), HEADER, numbers=numbers)


def _reader_of(statement: Statement) -> StatementReader | None:
    account = get_account(statement.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    return adapter if isinstance(adapter, StatementReader) else None
