"""Codes that people type, made in numbers: their letters, and the batches that a worker makes lot by lot.

A batch is a row of its app's own, with ``status`` (``making`` while there is work), ``made`` and ``next_attempt_at``.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar, cast

from django.db import models, transaction
from django.http import StreamingHttpResponse

from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.spreadsheets import csv_response

MOST_CODES = 100_000
LEASE = timedelta(seconds=60)
CHUNK = 1_000
"""Codes that one transaction makes: it must end within the statement timeout on a busy machine as well."""
LOTS = 25
"""Transactions of one call; what is left then is due again at once, behind what waited."""
MAKING = "making"


class CodeBatch(Protocol):
    """``finish`` sets what a finished batch is, in memory, and answers the names of the fields."""

    status: str
    made: int
    next_attempt_at: datetime | None

    @property
    def wanted(self) -> int: ...

    def finish(self, *, now: datetime) -> Sequence[str]: ...


Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class CodeMill(Generic[Row]):
    """Makes the codes of one kind of batch. ``make`` stores those of the numbers it is given, for a locked batch, and
    answers how many were new."""

    model: type[Row]
    make: Callable[[Row, range], int]

    def due(self, *, limit: int) -> list[str]:
        """Ids of batches that are not finished, leased so that workers share the work."""
        return claim_due(self.model, lease=LEASE, limit=limit, condition=f"status = '{MAKING}'")

    def advance(self, batch_id: str) -> Row:
        """Make what is missing, each lot with the count in one transaction: whoever dies is taken over where they were,
        and it may run twice."""
        for lot in range(LOTS):
            with transaction.atomic():
                row = lock_batch(self.model, batch_id)
                batch = cast(CodeBatch, row)
                if batch.status != MAKING:
                    return row
                batch.made += self.make(row, range(batch.made, min(batch.wanted, batch.made + CHUNK)))
                fields = ["made", "next_attempt_at"]
                now = database_now()
                if batch.made >= batch.wanted:
                    fields += batch.finish(now=now)
                else:
                    batch.next_attempt_at = now if lot == LOTS - 1 else now + LEASE
                row.save(update_fields=fields)
        return row


def lock_batch(model: type[Row], batch_id: str) -> Row:
    row = model._default_manager.select_for_update(of=("self",), no_key=True).filter(pk=batch_id).first()
    if row is None:
        raise NotFound
    return row


def letters_of(number: int, *, alphabet: str, length: int) -> str:
    """``number`` written in ``alphabet``, ``length`` places, the smallest first."""
    letters = []
    for _place in range(length):
        number, index = divmod(number, len(alphabet))
        letters.append(alphabet[index])
    return "".join(letters)


def chance_letters(*, alphabet: str, length: int) -> str:
    return letters_of(secrets.randbelow(len(alphabet) ** length), alphabet=alphabet, length=length)


def progress_of(batch: CodeBatch) -> str:
    """``250 / 1000 (25 %)``"""
    return f"{batch.made} / {batch.wanted} ({100 * batch.made // max(1, batch.wanted)} %)"


def codes_as_csv(batch: Any, *, headers: Sequence[object], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    return csv_response(file_name=f"codes-{batch.pk}.csv", headers=headers, rows=rows)
