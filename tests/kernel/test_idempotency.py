"""The Idempotency-Key's row: claimed, replayed, taken over, forgotten, purged."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from paycore import idempotency
from paycore.errors import Conflict
from paycore.idempotency import (
    IdempotencyKeyBusy,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    Key,
    KeyTaken,
    ResponseTooLarge,
    StoredResponse,
    read_key,
    run_atomically,
)
from paycore.models import IdempotencyKey
from tests.kernel.probe import ProcessKilled

pytestmark = pytest.mark.django_db
ANSWER = StoredResponse(201, '{"id":"x","name":"名"}'.encode())


def key(value: str = "k", *, body: Any = None, caller: str = "mer_1", route: str = "POST /orders") -> Key:
    return read_key(header=value, caller=caller, route=route, body=body)


def let_lease_end() -> None:
    IdempotencyKey.objects.update(locked_until=Now())


def test_work_runs_once_and_its_answer_is_replayed_byte_for_byte() -> None:
    runs = []

    def work() -> StoredResponse:
        runs.append(1)
        return ANSWER

    first, again = run_atomically(key(), work), run_atomically(key(), work)

    assert (first.is_replay, again.is_replay, len(runs)) == (False, True, 1)
    assert (again.status, again.body) == (ANSWER.status, ANSWER.body)


def test_a_refusal_leaves_the_key_unused() -> None:
    def refuse() -> StoredResponse:
        raise Conflict

    with pytest.raises(Conflict):
        run_atomically(key(), refuse)
    assert IdempotencyKey.objects.count() == 0
    assert run_atomically(key(), lambda: ANSWER) == ANSWER


def test_a_process_that_dies_in_atomic_work_leaves_the_key_unused() -> None:
    def die() -> StoredResponse:
        raise ProcessKilled

    with pytest.raises(ProcessKilled):
        run_atomically(key(), die)
    assert IdempotencyKey.objects.count() == 0


def test_another_body_under_the_same_key_is_refused() -> None:
    run_atomically(key(body={"a": 1}), lambda: ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        run_atomically(key(body={"a": 2}), lambda: ANSWER)
    assert run_atomically(key(body={"a": 1}), lambda: ANSWER).is_replay


@pytest.mark.parametrize("other", [{"caller": "mer_2"}, {"route": "POST /refunds"}])
def test_keys_of_others_and_of_other_routes_do_not_meet(other: dict[str, str]) -> None:
    run_atomically(key(), lambda: ANSWER)
    assert not run_atomically(key(**other), lambda: StoredResponse(201, b"{}")).is_replay


def test_while_the_first_runs_a_repeat_is_told_to_come_back() -> None:
    idempotency.claim(key())
    with pytest.raises(IdempotencyKeyBusy) as busy:
        run_atomically(key(), lambda: ANSWER)
    assert busy.value.retry_after_seconds is not None
    assert 1 <= busy.value.retry_after_seconds <= idempotency.LEASE_SECONDS


def test_after_the_lease_a_repeat_resumes_the_intent_of_the_first() -> None:
    first = key()
    idempotency.claim(first)
    IdempotencyKey.objects.update(resource_id="pay_1")
    let_lease_end()

    second = key()
    with pytest.raises(KeyTaken) as taken:
        idempotency.claim(second)
    assert taken.value.claim == {"state": "resume", "resource_id": "pay_1"}
    with pytest.raises(KeyTaken) as third:
        idempotency.claim(key())
    assert third.value.claim["state"] == "busy"

    resumed: list[str] = []

    def resume(resource_id: str) -> StoredResponse:
        resumed.append(resource_id)
        return ANSWER

    assert idempotency.answer_taken(taken.value, resume=resume) == ANSWER
    assert resumed == ["pay_1"]


def test_only_the_leases_holder_may_keep_an_answer_and_only_once() -> None:
    late, holder = key(), key()
    idempotency.claim(late)
    let_lease_end()
    with pytest.raises(KeyTaken):
        idempotency.claim(holder)

    idempotency.complete(late, StoredResponse(500, b"late"))
    assert IdempotencyKey.objects.get().response_status is None
    idempotency.complete(holder, ANSWER)
    idempotency.complete(holder, StoredResponse(200, b"other"))
    assert bytes(IdempotencyKey.objects.get().response_body or b"") == ANSWER.body
    assert IdempotencyKey.objects.get().locked_until is None


def test_looking_up_an_unknown_key_changes_nothing() -> None:
    assert idempotency.look_up(key()) is None
    assert IdempotencyKey.objects.count() == 0
    run_atomically(key(), lambda: ANSWER)
    state = idempotency.look_up(key())
    assert state is not None
    assert state["state"] == "replay"


def test_the_order_of_names_does_not_change_the_fingerprint_but_values_and_types_do() -> None:
    same = {key(body={"a": 1, "b": [1, 2]}).fingerprint, key(body={"b": [1, 2], "a": 1}).fingerprint}
    assert len(same) == 1
    others = [{"a": 1, "b": [2, 1]}, {"a": "1", "b": [1, 2]}, {"a": True, "b": [1, 2]}, {"a": 1}, [], None, ""]
    assert len({key(body=body).fingerprint for body in others} | same) == len(others) + 1


@pytest.mark.parametrize(("header", "error"), [
    (None, IdempotencyKeyMissing), ("", IdempotencyKeyMissing), (" ", IdempotencyKeyMissing),
    ('""', IdempotencyKeyInvalid), ("k" * 256, IdempotencyKeyInvalid), ("a b", IdempotencyKeyInvalid),
    ("ключ", IdempotencyKeyInvalid), ("a\x00", IdempotencyKeyInvalid),
])  # fmt: skip
def test_a_key_that_is_none_is_refused(header: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_key(header=header, caller="c", route="r", body=None)


def test_a_quoted_key_is_the_key_inside() -> None:
    """The header is a structured string in the IETF draft."""
    assert key('"abc"').value == key("abc").value == "abc"


def test_an_answer_that_cannot_be_kept_is_a_bug() -> None:
    idempotency.claim(key())
    with pytest.raises(ResponseTooLarge):
        idempotency.complete(key(), StoredResponse(200, b"x" * (256 * 1024 + 1)))


def test_finished_keys_are_purged_after_their_promise_and_unfinished_ones_are_not() -> None:
    for name in ("old", "new"):
        run_atomically(key(name), lambda: ANSWER)
    idempotency.claim(key("running"))
    IdempotencyKey.objects.exclude(key="new").update(created_at=Now() - timedelta(days=8))

    assert idempotency.purge() == 1
    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"new", "running"}
