"""Keeping statement files: every revision for ever, written and read in pieces."""

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from paycore.clock import database_now
from paycore.events import publish
from reconciliation.errors import StatementTooLarge
from reconciliation.events import StatementReceived
from reconciliation.statements.models import Statement, StatementChunk, StatementFile
from riskcontrol.cases import resolve_cases
from riskcontrol.models import Case

PIECE_BYTES = 1024 * 1024
MAX_FILE_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a file came. ``covers_until`` (aware UTC) is where its day ends, or was cut off while it was not over."""

    source: StatementFile.Source
    covers_until: datetime
    is_provisional: bool = False
    uploaded_by: str = ""


def store_file(statement_id: str, pieces: Iterable[bytes], *, arrival: Arrival) -> Statement:
    """Keep the file and put the statement to work; the statement as it is afterwards.

    The same bytes again have no effect; other bytes for the same day are a new revision. StatementTooLarge.
    """
    with transaction.atomic():
        statement = Statement.objects.select_for_update(no_key=True).get(id=statement_id)
        newest = statement.files.order_by("-revision").first()
        file = StatementFile(statement=statement, revision=statement.revision + 1, source=arrival.source)
        point = transaction.savepoint()
        digest = _write(file, pieces, uploaded_by=arrival.uploaded_by)
        is_known = newest is not None and bytes(newest.sha256) == digest
        if is_known:
            transaction.savepoint_rollback(point)
            if statement.is_provisional == arrival.is_provisional:
                return statement
        else:
            transaction.savepoint_commit(point)
            statement.revision += 1
            publish(StatementReceived(statement.id, statement.revision))
        _put_to_work(statement, arrival)
    return statement


def request_rerun(statement: Statement) -> None:
    """In the running transaction, with the row locked: compare the newest file again."""
    now = database_now()
    statement.status, statement.phase, statement.next_attempt_at = "fetched", "waiting", now
    statement.failure_code, statement.failure_detail, statement.failure_line = "", "", 0
    statement.lines_read, statement.attempts = 0, 0
    statement.save()


def _put_to_work(statement: Statement, arrival: Arrival) -> None:
    statement.is_provisional, statement.covers_until = arrival.is_provisional, arrival.covers_until
    statement.received_at, statement.last_problem = database_now(), ""
    request_rerun(statement)
    resolve_cases(kind=Case.Kind.STUCK, object_id=statement.id, resolution="the statement arrived")


def _write(file: StatementFile, pieces: Iterable[bytes], *, uploaded_by: str) -> bytes:
    """The row needs the hash and the hash needs the bytes: they are hashed while they are written, under a number that
    was taken before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('reconciliation_statementfile', 'id'))")
        file.id = cursor.fetchone()[0]
    digest, size = hashlib.sha256(), 0
    for position, piece in enumerate(_even(pieces)):
        size += len(piece)
        if size > MAX_FILE_BYTES:
            raise StatementTooLarge
        digest.update(piece)
        StatementChunk.objects.create(file_id=file.id, position=position, body=piece)
    file.sha256, file.size_bytes, file.uploaded_by = digest.digest(), size, uploaded_by
    file.save(force_insert=True)
    return digest.digest()


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one size, whatever sizes they come in."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= PIECE_BYTES:
            yield bytes(buffer[:PIECE_BYTES])
            del buffer[:PIECE_BYTES]
    if buffer:
        yield bytes(buffer)


def newest_file(statement: Statement) -> StatementFile | None:
    return statement.files.order_by("-revision").first()


def file_pieces(file: StatementFile) -> Iterator[bytes]:
    """The file's bytes, a megabyte at a time."""
    for position in range(-(-file.size_bytes // PIECE_BYTES)):
        yield _read_piece(file.id, position)


def _read_piece(file_id: int, position: int) -> bytes:
    """In PostgreSQL's binary form: as text a byte would travel as two."""
    taken = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY (SELECT body FROM reconciliation_statementchunk WHERE file_id = {int(file_id)}"  # noqa: S608 — two numbers
            f" AND position = {int(position)}) TO STDOUT (FORMAT binary)",
            taken,
        )
    # Eleven bytes of signature, flags, extension; then a count of fields and the field's length.
    raw = taken.getbuffer()
    (length,) = struct.unpack_from("!i", raw, 21)
    return bytes(raw[25 : 25 + length])
