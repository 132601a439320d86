"""Idempotency-Key (IETF draft-07): same key and body, same answer, one effect, also after kill -9.

Two shapes of work. *Atomic* work is one transaction: the key, the effect and the stored answer commit together, so a
refusal or a crash leaves nothing. *Resumable* work talks to the outside in between: its first transaction commits the
key with the id of the intent it created; if the process dies, a repeat finds that id once the lease is over and
finishes the same work. Keys are scoped to caller and route; nobody meets another's.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from paycore.database import call_function
from paycore.errors import PaycoreError

LEASE_SECONDS = 20
"""Longer than the longest a request may take, outside calls included."""
MAX_KEY_LENGTH = 255


class IdempotencyKeyMissing(PaycoreError):
    code, http_status = "idempotency_key_missing", 400
    title = _("This request needs an Idempotency-Key header.")


class IdempotencyKeyInvalid(PaycoreError):
    code, http_status = "idempotency_key_invalid", 400
    title = _("The Idempotency-Key must be 1 to 255 visible ASCII characters.")


class IdempotencyKeyReused(PaycoreError):
    code, http_status = "idempotency_key_reused", 422
    title = _("This Idempotency-Key was used for a different request.")


class IdempotencyKeyBusy(PaycoreError):
    code, http_status = "idempotency_key_busy", 409
    title = _("A request with this Idempotency-Key is still running.")


class ResponseTooLarge(Exception):
    """A bug: an answer to a create that cannot be kept."""


@dataclass(frozen=True)
class StoredResponse:
    status: int
    body: bytes
    is_replay: bool = False


@dataclass(frozen=True)
class Key:
    """A checked key of one caller on one route, for one body."""

    scope: str
    value: str
    fingerprint: bytes
    token: uuid.UUID = field(default_factory=uuid.uuid4)


class KeyTaken(Exception):
    """Raised out of the first transaction when the key is not new; carries what the row says."""

    NAMES: ClassVar = ("replay", "resume", "busy", "other_request")

    def __init__(self, claim: dict[str, Any]) -> None:
        self.claim = claim
        super().__init__(claim["state"])


def read_key(*, header: str | None, caller: str, route: str, body: Any) -> Key:
    """Check the header and bind it to caller, route and body. ``caller`` is an id; ``body`` the parsed JSON."""
    if header is None or not header.strip():
        raise IdempotencyKeyMissing
    value = header.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if not 1 <= len(value) <= MAX_KEY_LENGTH or not all(33 <= ord(letter) <= 126 for letter in value):
        raise IdempotencyKeyInvalid
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return Key(scope=f"{caller} {route}"[:120], value=value, fingerprint=hashlib.sha256(canonical).digest())


def claim(key: Key, *, resource_id: str = "") -> None:
    """Insert the key in the running transaction; :class:`KeyTaken` when it was used before. ``resource_id`` is the
    intent that a repeat finds when this process dies before its answer is kept."""
    state = _claim(key, resource_id=resource_id)
    if state["state"] != "new":
        raise KeyTaken(state)


def look_up(key: Key) -> dict[str, Any] | None:
    """What ``paycore_claim_key`` would say of a key that was used before; None when it is new. Changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM paycore_idempotencykey WHERE scope = %s AND key = %s", [key.scope, key.value])
        if cursor.fetchone() is None:
            return None
    state = _claim(key)
    return state if state["state"] != "new" else None


def complete(key: Key, response: StoredResponse) -> None:
    """Keep the answer. Only the lease's holder may: a late one changes nothing."""
    if len(response.body) > 256 * 1024:
        raise ResponseTooLarge
    _update(key, "response_status = %s, response_body = %s, locked_until = NULL", [response.status, response.body])


def run_atomically(key: Key, work: Callable[[], StoredResponse]) -> StoredResponse:
    """Key, effect and answer in one transaction."""
    try:
        with transaction.atomic():
            claim(key)
            response = work()
            complete(key, response)
    except KeyTaken as taken:
        return answer_taken(taken, resume=None)
    return response


def answer_taken(taken: KeyTaken, *, resume: Callable[[str], StoredResponse] | None) -> StoredResponse:
    """What to answer when the key is not new. ``resume`` finishes the work of the intent whose id it is given."""
    state = taken.claim["state"]
    if state == "replay":
        body = base64.b64decode(taken.claim["body"])
        return StoredResponse(status=taken.claim["status"], body=body, is_replay=True)
    if state == "resume" and resume is not None:
        return resume(taken.claim["resource_id"])
    if state == "other_request":
        raise IdempotencyKeyReused
    raise IdempotencyKeyBusy(retry_after_seconds=max(1, int(taken.claim.get("retry_after_seconds", 1))))


def purge(*, older_than_days: int = 7) -> int:
    """Drop finished keys past their promise (at least 24 hours are promised); returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM paycore_idempotencykey WHERE response_status IS NOT NULL"
            " AND created_at < statement_timestamp() - make_interval(days => %s)",
            [older_than_days],
        )
        return int(cursor.rowcount)


def _claim(key: Key, *, resource_id: str = "") -> dict[str, Any]:
    answer = call_function(
        "paycore_claim_key", key.scope, key.value, key.fingerprint, LEASE_SECONDS, str(key.token), resource_id
    )
    state: dict[str, Any] = json.loads(answer) if isinstance(answer, str) else answer
    return state


def _update(key: Key, assignment: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE paycore_idempotencykey SET {assignment}"  # noqa: S608 assignments are literals above
            " WHERE scope = %s AND key = %s AND lease_token = %s AND response_status IS NULL",
            [*values, key.scope, key.value, str(key.token)],
        )
