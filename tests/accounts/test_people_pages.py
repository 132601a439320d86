"""Staff's pages about people: what is shown to whom, and what each button does."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from accounts.consents.models import ConsentDocument
from accounts.kyc.models import KycCase, KycDocumentView
from accounts.kyc.services import IdentityDocument, submit_identity
from accounts.leaving.models import Erasure
from accounts.models import User
from accounts.personal_data.exporting import request_export
from paycore.clock import database_now
from paycore.uploads import checked_file
from tests.accounts.factories import UserFactory
from tests.accounts.people import PDF, PNG

pytestmark = pytest.mark.django_db
USERS, CHECKS = "/ops/accounts/user/", "/ops/accounts/kyccase/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def clerk() -> User:
    user: User = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    return user


@pytest.fixture
def onlooker() -> User:
    """Staff who may look at everything here and change nothing."""
    user: User = UserFactory(is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="accounts", codename__startswith="view_")
    )
    return user


def check_of(user: User, *, number: str = "12AB34567", content: bytes = PNG) -> KycCase:
    document = IdentityDocument(document_type="passport", country="FR", number=number, files=(checked_file(content),))
    return submit_identity(user.pk, document=document, now=database_now())


def act(user: User, row: Any, action: str, **form: str) -> Any:
    """Send an action's dialog."""
    address = reverse(f"ops:{row._meta.app_label}_{row._meta.model_name}_{action}", args=[quote(row.pk)])
    return signed_in(user).post(address, {"_form_submitted": "on", **form})


def test_lists_show_addresses_masked_and_find_whole_ones(clerk: User) -> None:
    UserFactory(email="ada.lovelace@example.com", phone="+33611223344", name="Ada")
    page = signed_in(clerk).get(USERS).content.decode()
    assert "a…e@example.com" in page
    assert "ada.lovelace@example.com" not in page
    for term, hits in (("ADA.lovelace@example.com", 1), ("+33611223344", 1), ("ada.lov@", 0), ("+3361", 0), ("Ada", 1)):
        found = signed_in(clerk).get(USERS, {"q": term}).context["cl"].result_count
        assert found == hits, term


def test_the_queue_shows_who_waits_first(clerk: User) -> None:
    done, waiting = check_of(UserFactory()), check_of(UserFactory(), number="X999")
    assert act(clerk, done, "approve").status_code == 302
    rows = signed_in(clerk).get(CHECKS).context["cl"].result_list
    assert [row.id for row in rows] == [waiting.id, done.id]


def test_approving_and_rejecting_from_the_page(clerk: User) -> None:
    ada, eve = UserFactory(), UserFactory()
    assert act(clerk, check_of(ada), "approve").status_code == 302
    assert User.objects.get(pk=ada.pk).kyc_level == 2
    case = check_of(eve, number="X999")
    assert act(clerk, case, "reject").status_code == 200, "without a reason the form is shown again"
    case.refresh_from_db()
    assert case.status == "submitted"
    act(clerk, case, "reject", reason="Blurred.")
    case.refresh_from_db()
    assert (case.status, case.reason, case.reviewed_by_id) == ("rejected", "Blurred.", clerk.pk)


def test_nobody_decides_on_their_own_check(clerk: User) -> None:
    case = check_of(clerk)
    act(clerk, case, "approve")
    case.refresh_from_db()
    assert (case.status, User.objects.get(pk=clerk.pk).kyc_level) == ("submitted", 0)


def test_looking_at_a_file_is_written_down_and_it_can_run_nothing(clerk: User) -> None:
    case = check_of(UserFactory())
    document = case.documents.get()
    answer = signed_in(clerk).get(f"{CHECKS}document/{document.id}/")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, PNG, "image/png")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]
    assert KycDocumentView.objects.get().viewer_id == clerk.pk
    assert document.id in signed_in(clerk).get(f"{CHECKS}{case.id}/change/").content.decode()


def test_a_pdf_is_downloaded_not_opened(clerk: User) -> None:
    document = check_of(UserFactory(), content=PDF).documents.get()
    answer = signed_in(clerk).get(f"{CHECKS}document/{document.id}/")
    assert answer["Content-Disposition"].startswith("attachment")


def test_who_may_not_review_sees_no_file_and_decides_nothing(onlooker: User) -> None:
    case = check_of(UserFactory())
    document = case.documents.get()
    assert signed_in(onlooker).get(f"{CHECKS}document/{document.id}/").status_code == 403
    assert f"document/{document.id}" not in signed_in(onlooker).get(f"{CHECKS}{case.id}/change/").content.decode()
    assert act(onlooker, case, "approve").status_code == 403
    case.refresh_from_db()
    assert (case.status, KycDocumentView.objects.count()) == ("submitted", 0)


def test_a_document_known_from_another_account_is_pointed_out(clerk: User) -> None:
    first = check_of(UserFactory(), number="12 AB-34567")
    second = check_of(UserFactory(), number="12ab34567")
    assert first.id in signed_in(clerk).get(f"{CHECKS}{second.id}/change/").content.decode()
    other = check_of(UserFactory(), number="ANOTHER1")
    assert first.id not in signed_in(clerk).get(f"{CHECKS}{other.id}/change/").content.decode()


def test_closing_reopening_and_erasing_at_the_person_s_wish(clerk: User) -> None:
    ada = UserFactory()
    act(clerk, ada, "close", reason="Wrote to us.")
    ada.refresh_from_db()
    assert (ada.is_active, ada.closing_reason) == (False, "Wrote to us.")
    act(clerk, ada, "reopen")
    ada.refresh_from_db()
    assert ada.is_active
    act(clerk, ada, "erase")
    erasure = Erasure.objects.get()
    assert (erasure.status, erasure.requested_by_id) == ("scheduled", clerk.pk)
    act(clerk, ada, "keep")
    erasure.refresh_from_db()
    assert erasure.status == "canceled"


def test_signing_somebody_out_ends_their_sessions(clerk: User) -> None:
    ada = UserFactory()
    browser = signed_in(ada)
    assert browser.session.get("_auth_user_id") == ada.pk
    act(clerk, ada, "sign_out")
    ada.refresh_from_db()
    assert ada.session_generation == 1
    assert browser.session.get("_auth_user_hash") != ada.get_session_auth_hash()


def test_onlookers_close_nobody(onlooker: User) -> None:
    ada = UserFactory()
    for action in ("close", "erase", "sign_out"):
        assert act(onlooker, ada, action).status_code == 403
    ada.refresh_from_db()
    assert (ada.is_active, ada.session_generation, Erasure.objects.count()) == (True, 0, 0)


def test_switching_a_closed_account_on_is_refused_with_the_reason(clerk: User) -> None:
    ada = UserFactory(name="Ada")
    act(clerk, ada, "close")
    form = {"name": "Ada", "locale": "en", "currency": "USD", "is_active": "on"}
    page = signed_in(clerk).post(f"{USERS}{ada.pk}/change/", form)
    assert "Reopen it first" in page.content.decode()
    ada.refresh_from_db()
    assert not ada.is_active


def test_a_text_is_published_once_and_then_only_read(clerk: User) -> None:
    pages = "/ops/accounts/consentdocument/"
    form = {"kind": "terms", "version": "2026-11", "text_en": "English", "text_zh": "中文", "url": ""}
    assert signed_in(clerk).post(f"{pages}add/", form).status_code == 302
    document = ConsentDocument.objects.get()
    signed_in(clerk).post(pages, {"action": "publish", "_selected_action": [document.id]})
    document.refresh_from_db()
    assert document.published_at is not None
    assert signed_in(clerk).post(f"{pages}{document.id}/change/", {**form, "text_en": "Other"}).status_code == 403
    assert signed_in(clerk).post(f"{pages}{document.id}/delete/", {"post": "yes"}).status_code == 403
    with pytest.raises(DatabaseError):
        ConsentDocument.objects.filter(id=document.id).update(text_en="Other")


@pytest.mark.parametrize("page", ["user", "kyccase", "kycdocumentview", "consentdocument", "consent", "dataexport"])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_list_opens_searches_and_filters(clerk: User, page: str, language: str) -> None:
    ada = UserFactory()
    check_of(ada)
    request_export(ada.pk, now=database_now())
    client = signed_in(clerk)
    client.cookies["django_language"] = language
    for query in ({}, {"q": ada.pk}, {"status__exact": "submitted"} if page == "kyccase" else {"q": "x"}):
        assert client.get(f"/ops/accounts/{page}/", query).status_code == 200


def test_erasures_are_listed_and_cancelled(clerk: User) -> None:
    ada = UserFactory()
    act(clerk, ada, "erase")
    erasure = Erasure.objects.get()
    assert erasure.due_at > database_now() + timedelta(days=13)
    assert erasure.id in signed_in(clerk).get("/ops/accounts/erasure/").content.decode()
    act(clerk, erasure, "cancel")
    erasure.refresh_from_db()
    assert erasure.status == "canceled"


def test_a_document_number_is_for_those_who_decide(clerk: User, onlooker: User) -> None:
    case = check_of(UserFactory(), number="ZQ77XK1")
    page = reverse("ops:accounts_kyccase_change", args=[quote(case.id)])
    assert "ZQ77XK1" in signed_in(clerk).get(page).content.decode()
    seen = signed_in(onlooker).get(page)
    assert seen.status_code == 200
    assert "ZQ77XK1" not in seen.content.decode()
