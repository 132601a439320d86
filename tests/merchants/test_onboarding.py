"""A business applies, is reviewed, and is approved, sent back, suspended or closed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import InternalError, connection, transaction

from merchants.authentication import find_caller
from merchants.errors import (
    ApplicationIncomplete,
    ApplicationNotOpen,
    FeesNotConfirmed,
    MerchantNotActive,
    ReasonNeeded,
    ReviewOfOwnMerchant,
    TooManyApplications,
    TooManyDocuments,
)
from merchants.models import DocumentView, Merchant, MerchantDocument, MerchantReview
from merchants.onboarding import documents
from merchants.onboarding.documents import open_document, remove_document
from merchants.onboarding.services import (
    FeeTerms,
    ItemNote,
    apply,
    approve_application,
    change_application,
    close_merchant,
    reinstate_merchant,
    return_application,
    submit_application,
    suspend_merchant,
)
from merchants.services import create_api_key
from paycore import outbox
from paycore.encryption import CannotUnseal
from paycore.errors import NotFound
from paycore.models import EventRecord, Notification
from paycore.money import UnknownCurrency
from paycore.states import IllegalTransition
from tests.merchants.applications import COMPLETE, PDF, make_application, make_document, make_submitted
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db

FEES = FeeTerms(basis_points=290, fixed_minor=30, refund_review_above_minor=5_000)


def test_an_application_goes_over_returned_to_approved_and_suspended_and_each_step_is_kept_and_published() -> None:
    owner, staff = make_user(), make_user(is_staff=True)
    merchant = make_submitted(owner=owner)

    return_application(
        merchant_id=merchant.id, by=staff, reason="Unreadable", notes=[ItemNote("legal_name", "As in the register")]
    )
    submit_application(merchant_id=merchant.id, by=owner)
    approve_application(merchant_id=merchant.id, by=staff, fees=FEES)
    suspend_merchant(merchant_id=merchant.id, by=staff, reason="Many disputes")
    reinstate_merchant(merchant_id=merchant.id, by=staff, reason="Explained")
    close_merchant(merchant_id=merchant.id, by=staff, reason="They asked")

    kept = MerchantReview.objects.filter(merchant=merchant).order_by("id")
    assert [(review.step, review.by_id, review.reason) for review in kept] == [
        ("submitted", owner.id, ""),
        ("returned", staff.id, "Unreadable"),
        ("submitted", owner.id, ""),
        ("approved", staff.id, ""),
        ("suspended", staff.id, "Many disputes"),
        ("reinstated", staff.id, "Explained"),
        ("closed", staff.id, "They asked"),
    ]
    assert kept[1].notes == [{"item": "legal_name", "note": "As in the register"}]
    published = EventRecord.objects.filter(object_id=merchant.id, name="merchant.status_changed").order_by("sequence")
    assert [(event.payload["status"], event.payload["by"], event.payload["reason"]) for event in published] == [
        ("submitted", owner.id, ""),
        ("returned", staff.id, "Unreadable"),
        ("submitted", owner.id, ""),
        ("approved", staff.id, ""),
        ("suspended", staff.id, "Many disputes"),
        ("approved", staff.id, "Explained"),
        ("closed", staff.id, "They asked"),
    ]


def test_approval_sets_the_fees_and_says_when_they_were_confirmed() -> None:
    merchant = make_submitted(owner=make_user())

    approve_application(merchant_id=merchant.id, by=make_user(is_staff=True), fees=FEES)

    merchant.refresh_from_db()
    assert (merchant.fee_basis_points, merchant.fee_fixed_minor, merchant.refund_review_above_minor) == (290, 30, 5_000)
    assert merchant.fees_confirmed_at is not None


def test_no_approval_without_fees() -> None:
    merchant = make_submitted(owner=make_user())

    with pytest.raises(FeesNotConfirmed):
        approve_application(merchant_id=merchant.id, by=make_user(is_staff=True), fees=None)

    assert Merchant.objects.get(id=merchant.id).status == "submitted"
    assert MerchantReview.objects.count() == 1


@pytest.mark.parametrize(
    "decide",
    [
        lambda merchant_id, by: approve_application(merchant_id=merchant_id, by=by, fees=FEES),
        lambda merchant_id, by: return_application(merchant_id=merchant_id, by=by, reason="No"),
        lambda merchant_id, by: close_merchant(merchant_id=merchant_id, by=by, reason="No"),
    ],
)
def test_nobody_decides_about_a_business_of_their_own(decide: Callable[[str, object], object]) -> None:
    merchant = make_submitted(owner=make_user())
    member = make_member(merchant=merchant, role="viewer")
    member.user.is_staff = True
    member.user.save()

    with pytest.raises(ReviewOfOwnMerchant):
        decide(merchant.id, member.user)

    assert Merchant.objects.get(id=merchant.id).status == "submitted"


def test_a_decision_against_the_merchant_needs_a_reason() -> None:
    merchant, staff = make_submitted(owner=make_user()), make_user(is_staff=True)

    with pytest.raises(ReasonNeeded):
        return_application(merchant_id=merchant.id, by=staff, reason="  ")

    assert Merchant.objects.get(id=merchant.id).status == "submitted"


def test_a_suspended_merchant_is_not_approved_by_the_way_of_a_new_application() -> None:
    merchant = make_merchant(status="suspended")

    with pytest.raises(IllegalTransition):
        approve_application(merchant_id=merchant.id, by=make_user(is_staff=True), fees=FEES)

    assert Merchant.objects.get(id=merchant.id).status == "suspended"


def test_an_incomplete_application_is_not_submitted_and_the_answer_names_every_gap() -> None:
    owner = make_user()
    merchant = apply(applicant=owner, details=replace(COMPLETE, legal_name="", website=""))
    make_document(merchant, owner=owner, kind="identity")

    with pytest.raises(ApplicationIncomplete) as refusal:
        submit_application(merchant_id=merchant.id, by=owner)

    assert refusal.value.extra["missing"] == ["legal_name", "website", "registration", "bank_proof"]
    assert Merchant.objects.get(id=merchant.id).status == "draft"
    assert not EventRecord.objects.exists()


def test_a_sole_trader_needs_no_register() -> None:
    owner = make_user()
    details = replace(COMPLETE, business_kind="sole_trader", registration_number="")
    merchant = apply(applicant=owner, details=details)
    for kind in ("identity", "bank_proof"):
        make_document(merchant, owner=owner, kind=kind)

    assert submit_application(merchant_id=merchant.id, by=owner).status == "submitted"


def test_what_was_handed_in_stays_as_it_is_while_it_is_reviewed() -> None:
    owner = make_user()
    merchant = make_submitted(owner=owner)
    document = merchant.documents.get(kind="identity")

    with pytest.raises(ApplicationNotOpen):
        change_application(merchant_id=merchant.id, details=replace(COMPLETE, name="Another"))
    with pytest.raises(ApplicationNotOpen):
        make_document(merchant, owner=owner)
    with pytest.raises(ApplicationNotOpen):
        remove_document(merchant_id=merchant.id, document_id=document.id)

    assert Merchant.objects.get(id=merchant.id).name == "Corner Shop"
    assert merchant.documents.filter(removed_at__isnull=True).count() == 3


def test_the_registration_number_is_sealed_in_the_database_and_not_in_the_history() -> None:
    merchant = apply(applicant=make_user(), details=COMPLETE)

    assert Merchant.objects.get(id=merchant.id).registration_number == "HRB 0815"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m::text, encode(m.registration_number, 'escape'),"
            " (SELECT string_agg(e::text, '') FROM merchants_merchantevent e WHERE e.pgh_obj_id = m.id)"
            " FROM merchants_merchant m WHERE id = %s",
            [merchant.id],
        )
        assert not [text for text in cursor.fetchone() if "0815" in text]


def test_unfinished_applications_are_bounded() -> None:
    owner = make_user()
    for _number in range(5):
        apply(applicant=owner, details=COMPLETE)

    with pytest.raises(TooManyApplications):
        apply(applicant=owner, details=COMPLETE)

    assert Merchant.objects.count() == 5


def test_an_unknown_currency_is_no_application() -> None:
    with pytest.raises(UnknownCurrency):
        apply(applicant=make_user(), details=replace(COMPLETE, home_currency="XXX"))

    assert not Merchant.objects.exists()


def test_a_document_is_sealed_bound_to_its_row_and_every_look_is_written_down() -> None:
    owner, staff = make_user(), make_user(is_staff=True)
    merchant = make_application(owner=owner)
    first, second = merchant.documents.order_by("id")[:2]

    opened = open_document(document_id=first.id, viewed_by_id=staff.id)

    assert opened.content == PDF
    assert [(view.document_id, view.viewed_by_id) for view in DocumentView.objects.all()] == [(first.id, staff.id)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_content FROM merchants_merchantdocument WHERE id = %s", [first.id])
        sealed = bytes(cursor.fetchone()[0])
    assert b"proof" not in sealed
    MerchantDocument.objects.filter(id=second.id).update(sealed_content=sealed)
    with pytest.raises(CannotUnseal):
        open_document(document_id=second.id, viewed_by_id=staff.id)


def test_lists_of_documents_do_not_read_their_bytes(queries_made: list[str]) -> None:
    merchant = make_application(owner=make_user())
    queries_made.clear()

    assert len(documents.documents_of(merchant)) == 3
    assert "sealed_content" not in "".join(queries_made)


def test_a_removed_document_loses_its_bytes_and_is_not_opened() -> None:
    owner = make_user()
    merchant = make_application(owner=owner)
    document = merchant.documents.get(kind="identity")

    remove_document(merchant_id=merchant.id, document_id=document.id)

    assert MerchantDocument.objects.defer(None).get(id=document.id).sealed_content is None
    with pytest.raises(NotFound):
        open_document(document_id=document.id, viewed_by_id=owner.id)
    with pytest.raises(NotFound):
        remove_document(merchant_id=merchant.id, document_id=document.id)
    assert not DocumentView.objects.exists()


def test_documents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = make_user()
    merchant = make_application(owner=owner)
    monkeypatch.setattr(documents, "MOST_DOCUMENTS", 3)

    with pytest.raises(TooManyDocuments):
        make_document(merchant, owner=owner)

    assert merchant.documents.count() == 3


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\pass port.pdf", "pass port.pdf"),
        ('a"b\r\nX: y.pdf', "a_b__X_ y.pdf"),
        ("…", "document"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
    ],
)
def test_a_file_name_is_harmless(sent: str, kept: str) -> None:
    assert documents._plain_name(sent) == kept


def test_the_history_is_never_rewritten() -> None:
    make_submitted(owner=make_user())

    with pytest.raises(InternalError), transaction.atomic():
        MerchantReview.objects.update(reason="Nothing happened")

    assert MerchantReview.objects.get().reason == ""


def test_owners_are_told_of_each_step_in_their_language() -> None:
    owner, staff = make_user(), make_user(is_staff=True)
    owner.locale = "zh-hans"
    owner.save()
    merchant = make_submitted(owner=owner)
    make_member(merchant=merchant, role="viewer")
    return_application(
        merchant_id=merchant.id, by=staff, reason="Unreadable", notes=[ItemNote("website", "Does not answer")]
    )
    outbox.drain()

    told = Notification.objects.order_by("id")
    assert [(note.template, note.user_id) for note in told] == [
        ("merchant_submitted", owner.id),
        ("merchant_returned", owner.id),
    ]
    assert told[1].context["reason"] == "Unreadable"
    assert told[1].context["notes"].endswith("Does not answer")


def test_keys_are_refused_while_suspended_and_work_again_after() -> None:
    merchant, staff = make_merchant(), make_user(is_staff=True)
    _key, secret = create_api_key(merchant=merchant, name="server", created_by=None)

    suspend_merchant(merchant_id=merchant.id, by=staff, reason="Many disputes")
    with pytest.raises(MerchantNotActive):
        find_caller(secret)
    reinstate_merchant(merchant_id=merchant.id, by=staff, reason="Explained")

    assert find_caller(secret) is not None
