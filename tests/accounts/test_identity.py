"""Identity checks: what may be sent, who may look, and what it does to the level."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.kyc.identity_numbers import is_card_number, is_chinese_resident_id
from accounts.kyc.models import KycCase, KycDocument, KycDocumentView
from accounts.kyc.services import (
    MAX_CASES,
    OwnIdentityCheck,
    approve_identity,
    delete_documents,
    due_cases,
    note_phone_verified,
    open_document,
    reject_identity,
    revoke_identity,
)
from accounts.models import User
from paycore.clock import database_now
from paycore.models import EventRecord, Notification
from paycore.states import IllegalTransition
from paycore.uploads import MAX_FILE_BYTES
from tests.accounts.conftest import App
from tests.accounts.factories import UserFactory
from tests.accounts.people import JPEG, PDF, PNG, age_the_proof, file, level_of, send_identity

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(app: App) -> User:
    user: User = UserFactory(email="ada@example.com", name="Ada")
    app.sign_in(email="ada@example.com")
    return user


@pytest.fixture
def reviewer() -> User:
    user: User = UserFactory(is_staff=True)
    return user


def submitted(app: App, **more: Any) -> KycCase:
    answer = send_identity(app, **more)
    assert answer.status_code == 201, answer.content
    return KycCase.objects.get(id=answer.json()["id"])


def test_a_document_waits_sealed_for_a_reviewer(app: App, ada: User) -> None:
    case = submitted(app, files=[file(PNG), file(JPEG, name="back.jpg"), file(PDF, name="x.pdf")])
    assert (case.status, case.number, level_of(ada)) == ("submitted", "12AB34567", 0)
    types = list(case.documents.order_by("id").values_list("content_type", flat=True))
    assert sorted(types) == ["application/pdf", "image/jpeg", "image/png"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM accounts_kycdocument")
        assert not [row for row in cursor.fetchall() if b"passport" in bytes(row[0])]
        cursor.execute("SELECT number FROM accounts_kyccase")
        assert b"12AB34567" not in bytes(cursor.fetchone()[0])


def test_neither_number_nor_files_are_given_back(app: App, ada: User) -> None:
    case = submitted(app)
    shown = app.call("GET", "/api/v1/me/kyc")
    assert shown.json() == {
        "level": 0,
        "checks": [
            {
                "id": case.id,
                "object": "identity_check",
                "status": "submitted",
                "document_type": "passport",
                "country": "FR",
                "reason": None,
                "reviewed_at": None,
                "created_at": shown.json()["checks"][0]["created_at"],
            }
        ],
    }


def test_the_same_key_is_one_check_and_another_file_under_it_is_refused(app: App, ada: User) -> None:
    first, again = send_identity(app, key="k-1"), send_identity(app, key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert send_identity(app, key="k-1", files=[file(JPEG)]).status_code == 422
    assert KycCase.objects.count() == 1


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([], 400, "files_missing"),
        ([b""], 400, "file_empty"),
        ([b"GIF89a"], 415, "file_type_not_allowed"),
        ([b"<svg onload=alert(1)>"], 415, "file_type_not_allowed"),
        ([PNG] * 5, 400, "too_many_files"),
        ([PNG + b"x" * MAX_FILE_BYTES], 413, "file_too_large"),
        ([PNG + b"x" * (MAX_FILE_BYTES - 100)] * 5, 413, "body_too_large"),
    ],
    ids=["none", "empty", "gif", "svg", "five", "large", "larger"],
)
def test_a_file_that_is_not_what_was_asked_for_leaves_nothing(
    app: App, ada: User, files: list[bytes], status: int, code: str
) -> None:
    answer = send_identity(app, files=[file(content) for content in files])
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not KycCase.objects.exists()
    assert not KycDocument.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("country", "fr", "not_a_country"),
        ("country", "FRA", "not_a_country"),
        ("document_type", "library_card", "invalid_choice"),
        ("document_number", "1", "min_length"),
        ("document_number", "1" * 41, "max_length"),
        ("document_number", "12\u202e34", "invalid_characters"),
        ("is_staff", "true", "unknown_field"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_kept(app: App, ada: User, field: str, value: str, code: str) -> None:
    answer = send_identity(app, **{field: value})
    assert answer.status_code == 400
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(f"/{field}", code)]
    assert not KycCase.objects.exists()


def test_a_card_number_is_refused_in_any_field(app: App, ada: User) -> None:
    for field in ("document_number", "country"):
        answer = send_identity(app, **{field: "4111 1111 1111 1111"})
        assert answer.json()["code"] == "card_data_not_allowed"
    assert not KycCase.objects.exists()


def resident_id(prefix: str) -> str:
    """Seventeen digits with their check letter."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(prefix, weights, strict=True))
    return prefix + "10X98765432"[total % 11]


def test_chinese_identity_numbers_are_never_taken_for_cards() -> None:
    numbers = [resident_id(f"62010219900101{serial:03}") for serial in range(1000)]
    assert all(is_chinese_resident_id(number) for number in numbers)
    assert not [number for number in numbers if is_card_number(number)]
    assert not is_chinese_resident_id("620102199013010019")
    assert is_card_number("6222021234567890128") or is_card_number("4111111111111111")


def test_json_is_not_taken_where_files_are(app: App, ada: User) -> None:
    answer = app.call("POST", "/api/v1/me/kyc", {"document_type": "passport"})
    assert answer.status_code == 415
    assert not KycCase.objects.exists()


def test_a_second_check_waits_for_the_first(app: App, ada: User) -> None:
    submitted(app)
    answer = send_identity(app)
    assert (answer.status_code, answer.json()["code"]) == (409, "kyc_under_review")
    assert KycCase.objects.count() == 1


def test_approval_raises_the_level_tells_the_person_and_publishes(app: App, ada: User, reviewer: User) -> None:
    case = submitted(app)
    approve_identity(case.id, reviewer=reviewer, now=database_now())
    assert level_of(ada) == 2
    event = EventRecord.objects.get(name="user.kyc_level_changed")
    assert event.payload == {"user_id": ada.pk, "level": 2, "previous_level": 0}
    assert Notification.objects.get(template="identity_approved").user_id == ada.pk
    refused = send_identity(app)
    assert (refused.status_code, refused.json()["code"]) == (409, "kyc_already_verified")


def test_rejection_says_why_and_another_document_may_follow(app: App, ada: User, reviewer: User) -> None:
    case = submitted(app)
    reject_identity(case.id, reviewer=reviewer, reason="The picture is blurred.", now=database_now())
    assert level_of(ada) == 0
    shown = app.call("GET", "/api/v1/me/kyc").json()["checks"][0]
    assert (shown["status"], shown["reason"]) == ("rejected", "The picture is blurred.")
    assert not EventRecord.objects.filter(name="user.kyc_level_changed").exists()
    assert submitted(app).status == "submitted"


def test_few_documents_a_month(app: App, ada: User, reviewer: User) -> None:
    for _number in range(MAX_CASES):
        reject_identity(submitted(app).id, reviewer=reviewer, reason="no", now=database_now())
    answer = send_identity(app)
    assert (answer.status_code, answer.json()["code"]) == (429, "kyc_too_many_submissions")
    assert KycCase.objects.count() == MAX_CASES


def test_a_verified_phone_is_level_one(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(phone="+33611223344")
    assert note_phone_verified(user_id=ada.pk) == 1
    assert level_of(ada) == 1
    assert note_phone_verified(user_id=ada.pk) == 1
    assert EventRecord.objects.filter(name="user.kyc_level_changed").count() == 1


def test_a_revoked_approval_falls_back_to_what_else_is_known(app: App, ada: User, reviewer: User) -> None:
    case = submitted(app)
    User.objects.filter(pk=ada.pk).update(phone="+33611223344")
    note_phone_verified(user_id=ada.pk)
    approve_identity(case.id, reviewer=reviewer, now=database_now())
    revoke_identity(case.id, reviewer=reviewer, reason="Forged.", now=database_now())
    assert level_of(ada) == 1


def test_nobody_reviews_or_opens_their_own(app: App, ada: User) -> None:
    case = submitted(app)
    for act in (
        lambda: approve_identity(case.id, reviewer=ada, now=database_now()),
        lambda: open_document(case.documents.get().id, viewer=ada),
    ):
        with pytest.raises(OwnIdentityCheck):
            act()
    assert (level_of(ada), KycCase.objects.get().status) == (0, "submitted")
    with pytest.raises(DatabaseError, match="kyc_not_ones_own"), transaction.atomic():
        KycCase.objects.filter(id=case.id).update(status="approved", reviewed_by=ada, reviewed_at=database_now())


def test_every_look_is_written_down_for_ever(app: App, ada: User, reviewer: User) -> None:
    case = submitted(app)
    document = open_document(case.documents.get().id, viewer=reviewer)
    assert document.content == PNG
    view = KycDocumentView.objects.get()
    assert (view.case_id, view.document_id, view.viewer_id) == (case.id, document.id, reviewer.pk)
    with pytest.raises(DatabaseError), transaction.atomic():
        KycDocumentView.objects.all().delete()


def test_a_decision_stands_against_every_other(app: App, ada: User, reviewer: User) -> None:
    case = submitted(app)
    reject_identity(case.id, reviewer=reviewer, reason="no", now=database_now())
    with pytest.raises(IllegalTransition):
        approve_identity(case.id, reviewer=reviewer, now=database_now())
    with pytest.raises(DatabaseError), transaction.atomic():
        KycCase.objects.filter(id=case.id).update(status="approved")
    assert level_of(ada) == 0


def test_files_go_after_the_decision_and_the_check_stays(app: App, ada: User, reviewer: User, settings: Any) -> None:
    case = submitted(app)
    assert delete_documents(case.id) == 0
    settings.PAYCORE_KYC_DOCUMENT_DAYS = 0
    approve_identity(case.id, reviewer=reviewer, now=database_now() - timedelta(seconds=1))
    assert due_cases(limit=10) == [case.id]
    assert delete_documents(case.id) == 1
    assert not KycDocument.objects.exists()
    assert due_cases(limit=10) == []
    assert level_of(ada) == 2


@pytest.mark.django_db(transaction=True)
def test_approve_and_reject_at_once_is_one_decision(app: App) -> None:
    ada, reviewers = UserFactory(email="ada@example.com"), [UserFactory(is_staff=True), UserFactory(is_staff=True)]
    app.sign_in(email="ada@example.com")
    for _trial in range(8):
        case = submitted(app)
        outcomes = _decide_at_once(case, reviewers)
        case.refresh_from_db()
        assert sorted(outcomes) == ["decided", "refused"]
        assert level_of(ada) == (2 if case.status == "approved" else 0)
        assert Notification.objects.filter(key__endswith=case.id).count() == 1
        if case.status == "approved":
            revoke_identity(case.id, reviewer=reviewers[0], reason="trial", now=database_now())
        with connection.cursor() as cursor:  # the month's limit is not the matter here
            cursor.execute("UPDATE accounts_kyccase SET created_at = created_at - interval '60 days'")


def _decide_at_once(case: KycCase, reviewers: list[User]) -> list[str]:
    barrier, outcomes = threading.Barrier(2), []

    def run(act: Any) -> None:
        try:
            barrier.wait()
            act()
            outcomes.append("decided")
        except IllegalTransition:
            outcomes.append("refused")
        finally:
            connection.close()

    acts = (
        lambda: approve_identity(case.id, reviewer=reviewers[0], now=database_now()),
        lambda: reject_identity(case.id, reviewer=reviewers[1], reason="no", now=database_now()),
    )
    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_an_old_proof_is_no_proof_for_an_identity(app: App, ada: User) -> None:
    age_the_proof(app)
    answer = send_identity(app)
    assert (answer.status_code, answer.json()["code"]) == (401, "reauth_required")
    assert not KycCase.objects.exists()
