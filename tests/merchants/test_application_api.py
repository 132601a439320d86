"""`/api/v1/merchant-applications`: an app user applies, step by step."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from merchants.models import Merchant, MerchantDocument
from tests.actors import API, AppUser, MerchantServer
from tests.api.refusals import assert_refused
from tests.merchants.applications import PDF, PNG, make_application, make_submitted
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db

BODY = {
    "name": "Corner Shop",
    "legal_name": "Corner Shop Ltd",
    "business_kind": "company",
    "registration_number": "HRB 0815",
    "country": "SG",
    "home_currency": "SGD",
    "website": "https://shop.example",
    "support_email": "help@shop.example",
}


def _upload(user: AppUser, merchant_id: str, *, kind: str, content: bytes = PDF, name: str = "x.pdf") -> Any:
    return user.client.post(
        f"{API}/merchant-applications/{merchant_id}/documents",
        {"kind": kind, "file": SimpleUploadedFile(name, content)},
        headers={"Authorization": f"Bearer {user.secret}"},
    )


def _patch(user: AppUser, merchant_id: str, body: dict[str, Any]) -> Any:
    return user.client.patch(
        f"{API}/merchant-applications/{merchant_id}",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {user.secret}"},
    )


def test_an_app_user_applies_uploads_and_submits(app_user: AppUser) -> None:
    made = app_user.post("/merchant-applications", BODY)
    assert made.status_code == 201
    application = made.json()
    assert application["status"] == "draft"
    assert application["missing"] == ["registration", "identity", "bank_proof"]

    refused = app_user.post(f"/merchant-applications/{application['id']}/submit")
    assert_refused(refused, 422, "application_incomplete")
    assert refused.json()["missing"] == ["registration", "identity", "bank_proof"]
    for kind, content in (("registration", PDF), ("identity", PNG), ("bank_proof", PDF)):
        assert _upload(app_user, application["id"], kind=kind, content=content).status_code == 201
    submitted = app_user.post(f"/merchant-applications/{application['id']}/submit")

    assert submitted.json()["status"] == "submitted"
    assert submitted.json()["missing"] == []
    types = MerchantDocument.objects.order_by("id").values_list("content_type", flat=True)
    assert list(types) == ["application/pdf", "image/png", "application/pdf"]
    assert_refused(app_user.post(f"/merchant-applications/{application['id']}/submit"), 409, "illegal_transition")


def test_the_same_request_twice_is_one_application(app_user: AppUser) -> None:
    first = app_user.post("/merchant-applications", BODY, key="apply-1")
    again = app_user.post("/merchant-applications", BODY, key="apply-1")

    assert first.content == again.content
    assert Merchant.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"country": "XX"},
        {"country": "sg"},
        {"home_currency": "XXX"},
        {"business_kind": "bank"},
        {"website": "javascript:alert(1)"},
        {"support_email": "nobody"},
        {"status": "approved"},
        {"fee_basis_points": 0},
        {"name": "a\u202eb"},
    ],
)
def test_what_cannot_be_true_is_refused(app_user: AppUser, change: dict[str, Any]) -> None:
    assert_refused(app_user.post("/merchant-applications", BODY | change), 400, "validation_failed")

    assert not Merchant.objects.exists()


def test_a_draft_is_changed_in_part_and_not_while_it_is_reviewed(app_user: AppUser) -> None:
    merchant = make_application(owner=app_user.user)

    changed = _patch(app_user, merchant.id, {"legal_name": "Corner Shop Pte Ltd"})
    assert (changed.json()["legal_name"], changed.json()["registration_number"]) == ("Corner Shop Pte Ltd", "HRB 0815")
    app_user.post(f"/merchant-applications/{merchant.id}/submit")

    assert_refused(_patch(app_user, merchant.id, {"name": "Another"}), 409, "application_not_open")
    assert Merchant.objects.get(id=merchant.id).name == "Corner Shop"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "file_empty"),
        (b"MZ an executable", 415, "file_type_not_allowed"),
        (b"<html><script>", 415, "file_type_not_allowed"),
        (PDF + b"x" * (5 * 1024 * 1024), 413, "file_too_large"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(app_user: AppUser, content: bytes, status: int, code: str) -> None:
    merchant = make_application(owner=app_user.user)

    assert_refused(_upload(app_user, merchant.id, kind="other", content=content), status, code)

    assert merchant.documents.count() == 3


def test_a_document_of_no_kind_is_refused(app_user: AppUser) -> None:
    merchant = make_application(owner=app_user.user)

    assert_refused(_upload(app_user, merchant.id, kind="selfie"), 400, "validation_failed")

    assert merchant.documents.count() == 3


def test_a_document_is_removed(app_user: AppUser) -> None:
    merchant = make_application(owner=app_user.user)
    document = merchant.documents.get(kind="identity")

    answer = app_user.client.delete(
        f"{API}/merchant-applications/{merchant.id}/documents/{document.id}",
        headers={"Authorization": f"Bearer {app_user.secret}"},
    )

    assert answer.status_code == 204
    assert app_user.get(f"/merchant-applications/{merchant.id}").json()["missing"] == ["identity"]


def test_another_persons_application_is_not_there(app_user: AppUser) -> None:
    merchant = make_application(owner=make_user())
    document = merchant.documents.get(kind="identity")
    path = f"/merchant-applications/{merchant.id}"

    assert_refused(app_user.get(path), 404, "not_found")
    assert_refused(app_user.post(f"{path}/submit"), 404, "not_found")
    assert_refused(_patch(app_user, merchant.id, {"name": "Mine"}), 404, "not_found")
    assert_refused(_upload(app_user, merchant.id, kind="other"), 404, "not_found")
    removed = app_user.client.delete(
        f"{API}{path}/documents/{document.id}", headers={"Authorization": f"Bearer {app_user.secret}"}
    )
    assert_refused(removed, 404, "not_found")
    assert app_user.get("/merchant-applications").json()["data"] == []

    merchant.refresh_from_db()
    assert (merchant.name, merchant.status, merchant.documents.filter(removed_at=None).count()) == (
        "Corner Shop",
        "draft",
        3,
    )


def test_a_member_who_is_no_owner_may_not_apply_for_the_business(app_user: AppUser) -> None:
    merchant = make_application(owner=make_user())
    merchant.members.create(user=app_user.user, role="finance")

    assert_refused(app_user.post(f"/merchant-applications/{merchant.id}/submit"), 403, "role_not_sufficient")

    assert Merchant.objects.get(id=merchant.id).status == "draft"


def test_merchants_keys_do_not_apply(merchant_server: MerchantServer) -> None:
    make_submitted(owner=make_user())

    assert merchant_server.post("/merchant-applications", BODY).status_code == 401
    assert Merchant.objects.count() == 2
