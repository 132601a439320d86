"""Files that a gateway's adapter reads itself (:class:`StatementReader`): its lines, put into columns of ours, are
proved and compared like any other file's."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import IO, TypeGuard
from zoneinfo import ZoneInfo

from payments.gateways.abilities import StatementLine, StatementReader, StatementUnreadable
from payments.gateways.contract import Gateway
from reconciliation.errors import StatementRefused
from reconciliation.statements.layouts import GIVE_BACK, TAKE, Layout

IN_MEMORY_BYTES = 8 * 1024 * 1024
"""A larger file waits on disk while it is read: readers may need to go back and forth (a zip's index is at its end)."""
LINES_A_STRETCH = 2_000

NEUTRAL = Layout(
    reference="reference",
    payment_reference="payment_reference",
    kind="kind",
    amount="amount",
    fee="fee",
    currency="currency",
    gateway_reference="gateway_reference",
    occurred_at="occurred_at",
    kinds={"take": TAKE, "give_back": GIVE_BACK},
)
HEADER = [*NEUTRAL.required, NEUTRAL.gateway_reference, NEUTRAL.occurred_at]


def reads_own_files(gateway: type[Gateway]) -> TypeGuard[type[StatementReader]]:
    """Python cannot ask a class about a protocol that has more than methods."""
    return callable(getattr(gateway, "read_statement", None)) and hasattr(gateway, "statement_zone")


def layout_of_reader(gateway: type[StatementReader]) -> Layout:
    ready_after = timedelta(seconds=gateway.statement_ready_after_seconds)
    return replace(NEUTRAL, zone=ZoneInfo(gateway.statement_zone), ready_after=ready_after)


def rows_of(reader: StatementReader, pieces: Iterable[bytes]) -> Iterator[list[list[str]]]:
    """Lines as cells in the order of :data:`HEADER`, some at a time. Raises :class:`StatementRefused`."""
    with _as_file(pieces) as file:
        try:
            lines = map(_cells, reader.read_statement(file))
            while rows := list(islice(lines, LINES_A_STRETCH)):
                yield rows
        except StatementUnreadable as error:
            raise StatementRefused("unreadable", detail=str(error)[:200]) from error


def _cells(line: StatementLine) -> list[str]:
    """Money given back is negative. A line that is not about a payment has only the provider's own number."""
    amount = -line.amount_minor if line.kind == "give_back" else line.amount_minor
    occurred_at = line.occurred_at.isoformat() if line.occurred_at else ""
    return [
        line.reference or line.gateway_reference,
        line.payment_reference,
        line.kind,
        str(amount),
        str(line.fee_minor),
        line.currency,
        line.gateway_reference,
        occurred_at,
    ]


@contextmanager
def _as_file(pieces: Iterable[bytes]) -> Iterator[IO[bytes]]:
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        yield file
