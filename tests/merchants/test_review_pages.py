"""Staff review businesses; a merchant's people see what concerns them."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from merchants.models import DocumentView, Invitation, Merchant, MerchantMember, MerchantReview
from merchants.onboarding.services import return_application
from tests.merchants.applications import PDF, PNG, make_application, make_document, make_submitted
from tests.merchants.factories import make_member, make_merchant, make_user

pytestmark = pytest.mark.django_db

FEES = {"fee_percent": "2.90", "fee_fixed": "0.30", "review_above": "50.00"}


def _staff(client: Client) -> User:
    staff = make_user(is_staff=True, is_superuser=True)
    client.force_login(staff)
    return staff


def _do(client: Client, action: str, merchant: Merchant, **form: str) -> Any:
    address = reverse(f"ops:merchants_merchant_{action}", args=[quote(merchant.pk)])
    return client.post(address, {"_form_submitted": "on", **form}, follow=True)


def test_staff_approve_with_the_fees_in_the_dialog(client: Client) -> None:
    staff = _staff(client)
    merchant = make_submitted(owner=make_user())

    _do(client, "approve", merchant, **FEES)

    merchant.refresh_from_db()
    assert (merchant.status, merchant.fee_basis_points, merchant.fee_fixed_minor) == ("approved", 290, 30)
    assert merchant.refund_review_above_minor == 5_000
    assert MerchantReview.objects.latest("id").by == staff


@pytest.mark.parametrize(
    "wrong", [{"fee_percent": ""}, {"fee_percent": "101"}, {"fee_fixed": "-1"}, {"fee_fixed": "x"}]
)
def test_no_approval_by_a_dialog_without_good_fees(client: Client, wrong: dict[str, str]) -> None:
    _staff(client)
    merchant = make_submitted(owner=make_user())

    _do(client, "approve", merchant, **(FEES | wrong))

    assert Merchant.objects.get(id=merchant.id).status == "submitted"


def test_staff_send_back_with_a_reason_and_remarks_by_field_and_document(client: Client) -> None:
    _staff(client)
    merchant = make_submitted(owner=make_user())
    document = merchant.documents.get(kind="identity")

    _do(client, "send_back", merchant, reason="")
    assert Merchant.objects.get(id=merchant.id).status == "submitted"
    _do(
        client,
        "send_back",
        merchant,
        reason="Two things",
        note_legal_name="As in the register",
        **{f"note_{document.id}": "Unreadable"},
    )

    assert Merchant.objects.get(id=merchant.id).status == "returned"
    assert MerchantReview.objects.latest("id").notes == [
        {"item": "legal_name", "note": "As in the register"},
        {"item": document.id, "note": "Unreadable"},
    ]


def test_staff_suspend_reinstate_and_close_with_a_reason(client: Client) -> None:
    _staff(client)
    merchant = make_merchant()

    seen = []
    for action in ("suspend", "reinstate", "close"):
        _do(client, action, merchant)
        seen.append(Merchant.objects.get(id=merchant.id).status)
        _do(client, action, merchant, reason="Because")
        seen.append(Merchant.objects.get(id=merchant.id).status)

    assert seen == ["approved", "suspended", "suspended", "approved", "approved", "closed"]


def test_a_reviewer_who_is_a_member_is_refused_and_cannot_set_the_terms(client: Client) -> None:
    staff = _staff(client)
    merchant = make_submitted(owner=make_user())
    merchant.members.create(user=staff, role="viewer")

    answer = _do(client, "approve", merchant, **FEES)
    change = client.post(
        reverse("ops:merchants_merchant_change", args=[merchant.pk]), {"name": "Mine", "fee_basis_points": "0"}
    )

    assert "another person must decide" in answer.content.decode()
    assert change.status_code == 403
    merchant.refresh_from_db()
    assert (merchant.status, merchant.name) == ("submitted", "Corner Shop")


def test_what_waits_comes_first_and_is_found_by_filter_and_search(client: Client) -> None:
    _staff(client)
    waiting = make_submitted(owner=make_user())
    make_merchant(name="Another shop")
    address = reverse("ops:merchants_merchant_changelist")

    listed = client.get(address).content.decode()
    assert listed.index(waiting.id) < listed.index("Another shop")
    for query in (
        {"status__exact": "submitted"},
        {"q": "Corner"},
        {"q": waiting.id},
        {"business_kind__exact": "company"},
    ):
        found = client.get(address, query).content.decode()
        assert waiting.id in found, query
        assert "Another shop" not in found, query


def test_the_review_page_shows_documents_and_history(client: Client) -> None:
    _staff(client)
    merchant = make_submitted(owner=make_user())

    page = client.get(reverse("ops:merchants_merchant_change", args=[merchant.pk])).content.decode()

    for document in merchant.documents.all():
        assert document.file_name in page
    assert "Submitted for review" in page
    assert "HRB 0815" in page


def test_staff_open_a_document_and_it_is_written_down(client: Client) -> None:
    staff = _staff(client)
    owner = make_user()
    merchant = make_application(owner=owner)
    picture = make_document(merchant, owner=owner, content=PNG)
    paper = merchant.documents.get(kind="identity")

    shown = client.get(reverse("ops:merchants_merchantdocument_file", args=[picture.id]))
    saved = client.get(reverse("ops:merchants_merchantdocument_file", args=[paper.id]))

    assert (shown.content, shown["Content-Type"]) == (PNG, "image/png")
    assert shown["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert shown["Content-Disposition"].startswith("inline")
    assert (saved.content, saved["Content-Disposition"].split(";")[0]) == (PDF, "attachment")
    assert {(view.document_id, view.viewed_by_id) for view in DocumentView.objects.all()} == {
        (picture.id, staff.id),
        (paper.id, staff.id),
    }
    page = client.get(reverse("ops:merchants_merchantdocument_change", args=[paper.id])).content.decode()
    assert "Who opened it" in page


def test_staff_without_the_permission_neither_open_nor_decide(client: Client) -> None:
    client.force_login(make_user(is_staff=True))
    merchant = make_submitted(owner=make_user())
    document = merchant.documents.get(kind="identity")

    opened = client.get(reverse("ops:merchants_merchantdocument_file", args=[document.id]))
    decided = _do(client, "approve", merchant, **FEES)

    assert opened.status_code in (403, 404)
    assert decided.status_code == 403
    assert not DocumentView.objects.exists()
    assert Merchant.objects.get(id=merchant.id).status == "submitted"


def test_a_change_by_staff_writes_only_what_was_typed(client: Client) -> None:
    _staff(client)
    merchant = make_merchant(name="Shop", home_currency="USD")
    address = reverse("ops:merchants_merchant_change", args=[merchant.pk])
    form = client.get(address).context["adminform"].form
    values = {name: "" if form.initial.get(name) is None else form.initial[name] for name in form.fields}
    Merchant.objects.filter(id=merchant.id).update(status="suspended")

    answer = client.post(
        address,
        values | {"name": "Better name", "members-TOTAL_FORMS": "0", "members-INITIAL_FORMS": "0"},
    )

    assert answer.status_code == 302
    merchant.refresh_from_db()
    assert (merchant.name, merchant.status) == ("Better name", "suspended")


def test_the_first_page_says_how_many_wait(client: Client) -> None:
    _staff(client)
    make_submitted(owner=make_user())

    assert "Merchants to review" in client.get(reverse("ops:index")).content.decode()


# The applicant's side


def _own(client: Client, merchant: Merchant, *, role: str = "owner") -> User:
    member = merchant.members.filter(role=role).first() or make_member(merchant=merchant, role=role)
    client.force_login(member.user)
    return member.user


def _page(merchant: Merchant) -> str:
    return reverse("merchant:merchants_merchant_change", args=[merchant.pk])


def test_an_applicant_completes_uploads_and_submits_in_the_console(client: Client) -> None:
    owner = make_user(password="correct horse")
    applied = client.post(
        "/merchant/apply",
        {"username": owner.email, "password": "correct horse", "name": "Corner Shop", "country": "SG"},
    )
    assert applied.status_code == 302
    merchant = Merchant.objects.get()
    client.force_login(owner)

    client.post(
        _page(merchant),
        {
            "name": "Corner Shop",
            "legal_name": "Corner Shop Ltd",
            "business_kind": "company",
            "registration_number": "HRB 0815",
            "country": "SG",
            "home_currency": "SGD",
            "website": "https://shop.example",
            "support_email": "help@shop.example",
        },
    )
    early = client.post(
        reverse("merchant:merchants_merchant_submit", args=[merchant.pk]), {"_form_submitted": "on"}, follow=True
    )
    assert "not complete" in early.content.decode()
    for kind in ("registration", "identity", "bank_proof"):
        file = SimpleUploadedFile(f"{kind}.pdf", PDF)
        answer = client.post(reverse("merchant:merchants_merchantdocument_add"), {"kind": kind, "upload": file})
        assert answer.status_code == 302
    client.post(reverse("merchant:merchants_merchant_submit", args=[merchant.pk]), {"_form_submitted": "on"})

    merchant.refresh_from_db()
    assert (merchant.status, merchant.registration_number, merchant.home_currency) == ("submitted", "HRB 0815", "SGD")
    assert client.post(_page(merchant), {"name": "Changed"}).status_code == 403


def test_a_wrong_password_applies_for_nothing(client: Client) -> None:
    owner = make_user(password="correct horse")

    client.post(
        "/merchant/apply", {"username": owner.email, "password": "wrong", "name": "Corner Shop", "country": "SG"}
    )

    assert not Merchant.objects.exists()


def test_a_file_that_is_no_document_is_not_kept(client: Client) -> None:
    merchant = make_application(owner=make_user())
    _own(client, merchant)

    file = SimpleUploadedFile("innocent.pdf", b"<html><script>alert(1)</script>")
    answer = client.post(reverse("merchant:merchants_merchantdocument_add"), {"kind": "other", "upload": file})

    assert answer.status_code == 200
    assert merchant.documents.count() == 3


def test_an_owner_opens_and_removes_own_documents_and_not_anothers(client: Client) -> None:
    own, foreign = make_application(owner=make_user()), make_application(owner=make_user())
    _own(client, own)
    mine, theirs = own.documents.get(kind="identity"), foreign.documents.get(kind="identity")

    assert client.get(reverse("merchant:merchants_merchantdocument_file", args=[mine.id])).content == PDF
    assert client.get(reverse("merchant:merchants_merchantdocument_file", args=[theirs.id])).status_code == 404
    for document in (mine, theirs):
        client.post(
            reverse("merchant:merchants_merchantdocument_remove", args=[document.id]), {"_form_submitted": "on"}
        )

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.removed_at is not None
    assert theirs.removed_at is None
    assert [view.document_id for view in DocumentView.objects.all()] == [mine.id]


def test_the_applicant_reads_what_to_mend_and_not_who_of_the_staff_said_it(client: Client) -> None:
    merchant = make_submitted(owner=make_user())
    staff = User.objects.create_user("rafael@example.com", name="Rafael Review", is_staff=True)
    return_application(merchant_id=merchant.id, by=staff, reason="Unreadable scan")
    _own(client, merchant)

    page = client.get(_page(merchant)).content.decode()

    assert client.get(reverse("merchant:index"))["Location"] == reverse(
        "merchant:merchants_merchant_change", args=[quote(merchant.pk)]
    )
    assert "Unreadable scan" in page
    assert "Rafael" not in page
    assert "The platform" in page


@pytest.mark.parametrize("role", ["finance", "developer", "viewer"])
def test_only_owners_see_documents_invite_and_submit(client: Client, role: str) -> None:
    merchant = make_application(owner=make_user())
    _own(client, merchant, role=role)
    document = merchant.documents.get(kind="identity")

    assert client.get(reverse("merchant:merchants_merchantdocument_file", args=[document.id])).status_code in (403, 404)
    submitted = client.post(
        reverse("merchant:merchants_merchant_submit", args=[merchant.pk]), {"_form_submitted": "on"}
    )
    assert submitted.status_code == 403
    Merchant.objects.filter(id=merchant.id).update(status="submitted")
    Merchant.objects.filter(id=merchant.id).update(status="approved")
    invited = client.post(
        reverse("merchant:merchants_merchantmember_invite"),
        {"_form_submitted": "on", "email": "a@example.com", "role": "owner"},
    )
    assert invited.status_code == 403
    assert not Invitation.objects.exists()
    assert not DocumentView.objects.exists()


def test_an_owner_invites_changes_and_removes_people(client: Client) -> None:
    merchant = make_merchant()
    owner = _own(client, merchant)
    colleague = make_member(merchant=merchant, role="viewer")
    confirm = {"_form_submitted": "on"}

    client.post(
        reverse("merchant:merchants_merchantmember_invite"), confirm | {"email": "New@Example.com", "role": "finance"}
    )
    client.post(
        reverse("merchant:merchants_merchantmember_give_role", args=[colleague.id]), confirm | {"role": "developer"}
    )
    assert MerchantMember.objects.get(id=colleague.id).role == "developer"
    client.post(reverse("merchant:merchants_merchantmember_remove", args=[colleague.id]), confirm)
    mine = merchant.members.get(user=owner)
    kept = client.post(reverse("merchant:merchants_merchantmember_remove", args=[mine.id]), confirm, follow=True)

    assert [(row.email, row.role) for row in Invitation.objects.all()] == [("new@example.com", "finance")]
    assert list(merchant.members.values_list("user_id", "role")) == [(owner.id, "owner")]
    assert "at least one owner" in kept.content.decode()
    listed = client.get(reverse("merchant:merchants_invitation_changelist")).content.decode()
    assert "new@example.com" in listed
    client.post(reverse("merchant:merchants_invitation_withdraw", args=[Invitation.objects.get().id]), confirm)
    assert Invitation.objects.get().withdrawn_at is not None
