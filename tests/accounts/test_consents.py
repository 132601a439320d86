"""What people agree to: the text in force, twice is once, withdrawing is as easy, and nothing is ever rewritten."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.consents.models import Consent, ConsentDocument
from accounts.consents.services import Origin, give_consent, publish_document, shortened
from accounts.models import User
from paycore.clock import database_now
from tests.accounts.conftest import App
from tests.accounts.factories import UserFactory
from tests.accounts.people import post

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(app: App) -> User:
    user: User = UserFactory(email="ada@example.com")
    app.sign_in(email="ada@example.com")
    return user


def published(kind: str = "terms", version: str = "1") -> ConsentDocument:
    draft = ConsentDocument.objects.create(kind=kind, version=version, text_en="English", text_zh="中文")
    return publish_document(draft.id, now=database_now())


def test_everybody_reads_the_newest_text_of_each_kind_in_their_language(app: App) -> None:
    published(version="1")
    newest = published(version="2")
    ConsentDocument.objects.create(kind="privacy", version="1", text_en="a draft", text_zh="草稿")
    answer = app.client.get("/api/v1/consent-documents", headers={"Accept-Language": "zh-Hans"})
    assert [(row["id"], row["text"]) for row in answer.json()["data"]] == [(newest.id, "中文")]


def test_agreeing_is_written_down_with_the_version_and_is_no_longer_missing(app: App, ada: User) -> None:
    document = published()
    assert [row["id"] for row in app.call("GET", "/api/v1/me/consents").json()["missing"]] == [document.id]
    answer = post(app, "/me/consents", {"document": document.id})
    assert answer.status_code == 201
    assert (answer.json()["act"], answer.json()["version"]) == ("given", "1")
    shown = app.call("GET", "/api/v1/me/consents").json()
    assert ([row["document"] for row in shown["data"]], shown["missing"]) == ([document.id], [])


def test_agreeing_twice_is_one_consent(app: App, ada: User) -> None:
    document = published()
    first, second = (post(app, "/me/consents", {"document": document.id}) for _ in range(2))
    assert first.json() == second.json()
    assert Consent.objects.count() == 1


def test_an_old_text_cannot_be_agreed_to_any_more(app: App, ada: User) -> None:
    old = published(version="1")
    published(version="2")
    answer = post(app, "/me/consents", {"document": old.id})
    assert (answer.status_code, answer.json()["code"]) == (409, "consent_text_replaced")
    assert not Consent.objects.exists()


def test_a_draft_is_unknown_to_people(app: App, ada: User) -> None:
    draft = ConsentDocument.objects.create(kind="terms", version="1", text_en="a draft", text_zh="草稿")
    assert post(app, "/me/consents", {"document": draft.id}).status_code == 404
    assert not Consent.objects.exists()


def test_marketing_is_withdrawn_as_easily_as_given_and_may_be_given_again(app: App, ada: User) -> None:
    document = published(kind="marketing")
    post(app, "/me/consents", {"document": document.id})
    assert post(app, "/me/consents/withdraw", {"kind": "marketing"}).json()["act"] == "withdrawn"
    again = post(app, "/me/consents/withdraw", {"kind": "marketing"})
    assert (again.status_code, again.json()["code"]) == (409, "consent_not_given")
    assert post(app, "/me/consents", {"document": document.id}).json()["act"] == "given"
    assert list(Consent.objects.order_by("id").values_list("act", flat=True)) == ["given", "withdrawn", "given"]


def test_what_an_account_needs_is_withdrawn_by_closing_it(app: App, ada: User) -> None:
    post(app, "/me/consents", {"document": published().id})
    answer = post(app, "/me/consents/withdraw", {"kind": "terms"})
    assert (answer.status_code, answer.json()["code"]) == (409, "consent_needed_for_account")
    assert Consent.objects.get().act == "given"


def test_a_consent_and_a_published_text_cannot_be_rewritten(app: App, ada: User) -> None:
    document = published()
    post(app, "/me/consents", {"document": document.id})
    for rows in (Consent.objects.all(), ConsentDocument.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(kind="privacy")
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_an_address_is_kept_without_its_last_part(address: str, kept: str) -> None:
    assert shortened(address) == kept


@pytest.mark.django_db(transaction=True)
def test_agreeing_many_times_at_once_is_one_consent() -> None:
    document = published()
    for _trial in range(5):
        user, barrier = UserFactory(), threading.Barrier(4)

        def run(user: User = user, barrier: threading.Barrier = barrier) -> None:
            try:
                barrier.wait()
                give_consent(user.pk, document_id=document.id, origin=Origin())
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Consent.objects.filter(user=user).count() == 1
