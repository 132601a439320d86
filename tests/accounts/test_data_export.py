"""A person's archive: everything, sealed, only for them, only for a day, whatever dies meanwhile."""

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from accounts.personal_data import exporting
from accounts.personal_data.exporting import (
    MAX_ATTEMPTS,
    build_export,
    drop_exports,
    due_expiries,
    due_exports,
    expire_export,
    request_export,
)
from accounts.personal_data.models import DataExport, DataExportPart
from accounts.personal_data.sections import Attachment, Collected, Section, _sections, register_section
from accounts.tasks import build_data_exports
from paycore.clock import database_now
from paycore.models import Notification
from paycore.notifications.services import send_due
from payments.routing.models import GatewayAccount
from tests.accounts.conftest import App
from tests.accounts.factories import UserFactory
from tests.accounts.people import age_the_proof, post
from tests.actors import MerchantServer, run_background

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(app: App) -> User:
    user: User = UserFactory(email="ada@example.com", name="Ada Lovelace")
    app.sign_in(email="ada@example.com")
    return user


@pytest.fixture
def bulky_section() -> Any:
    """An app with more than one part of data."""
    content = bytes(range(256)) * 4096
    register_section(
        Section(name="bulk", collect=lambda user_id: Collected({"n": 1}, iter([Attachment("b.bin", _noise(content))])))
    )
    yield
    _sections.pop("bulk")


def _noise(content: bytes) -> bytes:
    pieces = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(100_000)]
    return content + b"".join(pieces)


def archive_of(app: App, address: str) -> zipfile.ZipFile:
    answer = app.client.get(address, headers={"Authorization": f"Bearer {app.access_token}"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip"), answer
    content = b"".join(answer.streaming_content)
    assert answer["Content-Length"] == str(len(content))
    return zipfile.ZipFile(io.BytesIO(content))


def test_an_export_is_asked_for_built_shown_and_downloaded(app: App, ada: User) -> None:
    asked = post(app, "/me/exports")
    assert (asked.status_code, asked.json()["status"], asked.json()["progress"]) == (202, "waiting", 0)
    assert build_data_exports() == 1
    shown = app.call("GET", f"/api/v1/me/exports/{asked.json()['id']}").json()
    assert (shown["status"], shown["progress"]) == ("ready", 100)
    archive = archive_of(app, shown["download_url"])
    document = json.loads(archive.read("data.json"))
    assert document["account"]["profile"]["email"] == "ada@example.com"
    assert {"account", "messages", "merchants", "payments", "memberships"} <= set(document)


def test_orders_payments_and_receipts_are_in_it(
    app: App, ada: User, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order_id = merchant_server.paid_order_of_user(ada)
    run_background()
    export = request_export(ada.pk, now=database_now())
    assert build_export(export.id)
    shown = app.call("GET", f"/api/v1/me/exports/{export.id}").json()
    archive = archive_of(app, shown["download_url"])
    orders = json.loads(archive.read("data.json"))["payments"]["orders"]
    assert [(order["id"], order["payments"][0]["status"]) for order in orders] == [(order_id, "succeeded")]
    assert b"19.99" in archive.read(f"receipts/{order_id}.html")
    assert b"19.99" in archive.read(f"receipts/{order_id}.txt")


def test_nobody_else_s_data_is_in_it(app: App, ada: User, merchant_server: MerchantServer, account: Any) -> None:
    merchant_server.paid_order_of_user(UserFactory(email="eve@example.com", name="Eve Adams"))
    run_background()
    export = request_export(ada.pk, now=database_now())
    build_export(export.id)
    content = archive_of(app, app.call("GET", f"/api/v1/me/exports/{export.id}").json()["download_url"])
    text = b"".join(content.read(name) for name in content.namelist())
    assert b"Ada Lovelace" in text
    assert b"eve@example.com" not in text
    assert b"Eve Adams" not in text


def test_the_mail_says_that_it_is_ready(app: App, ada: User) -> None:
    build_export(request_export(ada.pk, now=database_now()).id)
    assert _templates() == ["export_ready"]


def _templates() -> list[str]:
    return list(Notification.objects.order_by("id").values_list("template", flat=True))


def test_the_archive_lies_sealed(app: App, ada: User) -> None:
    build_export(request_export(ada.pk, now=database_now()).id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM accounts_dataexportpart")
        stored = b"".join(bytes(row[0]) for row in cursor.fetchall())
    assert stored
    assert b"PK\x03\x04" not in stored
    assert b"data.json" not in stored


def test_asking_wants_a_recent_sign_in(app: App, ada: User) -> None:
    age_the_proof(app)
    answer = post(app, "/me/exports")
    assert (answer.status_code, answer.json()["code"]) == (401, "reauth_required")
    assert not DataExport.objects.exists()


def test_one_at_a_time_and_few_a_day(app: App, ada: User) -> None:
    first = post(app, "/me/exports").json()["id"]
    second = post(app, "/me/exports")
    assert (second.status_code, second.json()["code"]) == (409, "export_under_way")
    build_export(first)
    for _number in range(exporting.MAX_A_DAY - 1):
        build_export(post(app, "/me/exports").json()["id"])
    answer = post(app, "/me/exports")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_exports")
    assert DataExport.objects.count() == exporting.MAX_A_DAY


def test_the_database_refuses_a_second_one_under_way(ada: User) -> None:
    request_export(ada.pk, now=database_now())
    with pytest.raises(IntegrityError), transaction.atomic():
        DataExport.objects.create(user=ada)


def test_another_person_s_export_does_not_exist(app: App, ada: User) -> None:
    eve = UserFactory(email="eve@example.com")
    export = request_export(eve.pk, now=database_now())
    build_export(export.id)
    export.refresh_from_db()
    token = exporting.link_token(export)
    assert app.call("GET", f"/api/v1/me/exports/{export.id}").status_code == 404
    assert app.call("GET", f"/api/v1/me/exports/{export.id}/file?token={token}").status_code == 404


def test_a_link_without_its_signature_or_bearer_opens_nothing(app: App, ada: User) -> None:
    export = request_export(ada.pk, now=database_now())
    build_export(export.id)
    address = app.call("GET", f"/api/v1/me/exports/{export.id}").json()["download_url"]
    assert app.client.get(address).status_code == 401
    for bad in (address[:-2] + "xx", address.partition("?")[0]):
        answer = app.call("GET", bad)
        assert (answer.status_code, answer.json()["code"]) == (403, "download_link_refused")


def test_the_link_of_another_export_opens_nothing(app: App, ada: User) -> None:
    first, second = [], []
    for found in (first, second):
        export = request_export(ada.pk, now=database_now())
        build_export(export.id)
        found.append(app.call("GET", f"/api/v1/me/exports/{export.id}").json()["download_url"])
    mixed = first[0].partition("?")[0] + "?" + second[0].partition("?")[2]
    assert app.call("GET", mixed).json()["code"] == "download_link_refused"


def test_it_is_gone_after_a_day(app: App, ada: User) -> None:
    export = request_export(ada.pk, now=database_now())
    build_export(export.id)
    address = app.call("GET", f"/api/v1/me/exports/{export.id}").json()["download_url"]
    assert not expire_export(export.id, now=database_now())
    DataExport.objects.update(expires_at=database_now(), next_attempt_at=database_now())
    assert app.call("GET", address).json()["code"] == "export_expired"
    assert due_expiries(limit=5) == [export.id]
    assert expire_export(export.id, now=database_now())
    assert not DataExportPart.objects.exists()
    assert app.call("GET", f"/api/v1/me/exports/{export.id}").json()["status"] == "expired"
    assert app.call("GET", address).status_code == 410


def test_a_large_archive_is_kept_in_parts_and_comes_back_whole(app: App, ada: User, bulky_section: None) -> None:
    export = request_export(ada.pk, now=database_now())
    assert build_export(export.id)
    assert DataExportPart.objects.count() > 2
    archive = archive_of(app, app.call("GET", f"/api/v1/me/exports/{export.id}").json()["download_url"])
    assert archive.testzip() is None


def test_an_archive_that_grows_too_large_is_given_up_and_seen(ada: User, bulky_section: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(exporting, "MAX_ARCHIVE_BYTES", 1000)
    export = request_export(ada.pk, now=database_now())
    assert not build_export(export.id)
    export.refresh_from_db()
    assert (export.status, export.next_attempt_at) == ("failed", None)
    assert not DataExportPart.objects.exists()


class Killed(BaseException):
    """As a process ends: nothing after it runs."""


def test_a_builder_that_dies_half_way_is_taken_over(app: App, ada: User, monkeypatch: Any) -> None:
    export = request_export(ada.pk, now=database_now())

    def die(export_id: str, *, archive: bytes) -> bool:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_finish", die)
        assert due_exports(limit=1) == [export.id]
        with pytest.raises(Killed):
            build_export(export.id)
    export.refresh_from_db()
    assert (export.status, export.attempts) == ("running", 1)
    assert export.progress > 0
    assert due_exports(limit=1) == [], "the dead one's lease still runs"
    DataExport.objects.update(next_attempt_at=database_now() - timedelta(seconds=1))
    assert build_data_exports() == 1
    export.refresh_from_db()
    assert (export.status, export.attempts) == ("ready", 2)


def test_who_dies_five_times_is_given_up(ada: User) -> None:
    export = request_export(ada.pk, now=database_now())
    DataExport.objects.update(attempts=MAX_ATTEMPTS)
    assert not build_export(export.id)
    export.refresh_from_db()
    assert export.status == "failed"


def test_two_builders_at_once_leave_one_archive(ada: User, monkeypatch: Any) -> None:
    """The slow one comes back after another has finished: its work is dropped."""
    export = request_export(ada.pk, now=database_now())
    collect = exporting._collect

    def slowly(row: DataExport) -> bytes:
        archive = collect(row)
        with monkeypatch.context() as patch:
            patch.setattr(exporting, "_collect", collect)
            assert build_export(export.id)
        return archive

    monkeypatch.setattr(exporting, "_collect", slowly)
    assert not build_export(export.id)
    export.refresh_from_db()
    assert export.status == "ready"
    assert len(_templates()) == 1


def test_who_is_erased_meanwhile_gets_no_archive(ada: User, monkeypatch: Any) -> None:
    export = request_export(ada.pk, now=database_now())
    collect = exporting._collect

    def then_leave(row: DataExport) -> bytes:
        archive = collect(row)
        drop_exports(ada.pk)
        return archive

    monkeypatch.setattr(exporting, "_collect", then_leave)
    assert not build_export(export.id)
    export.refresh_from_db()
    assert export.status == "failed"
    assert not DataExportPart.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_mail_goes_out_in_both_forms() -> None:
    ada = UserFactory(email="ada@example.com", locale="en")
    build_export(request_export(ada.pk, now=database_now()).id)
    send_due()
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["ada@example.com"], "Your data is ready")
    assert "UTC" in sent.body
    assert "<html" in sent.alternatives[0][0]
