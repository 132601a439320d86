"""Closing an account, being erased, and what stays."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import DatabaseError, connection, transaction

from accounts.consents.models import Consent, ConsentDocument
from accounts.kyc.models import KycCase, KycDocument
from accounts.kyc.services import note_phone_verified, reject_identity
from accounts.leaving.closing import close_account, reopen_account
from accounts.leaving.erasing import (
    NoErasureScheduled,
    cancel_erasure,
    continue_erasure,
    due_erasures,
    request_erasure,
)
from accounts.leaving.models import Erasure
from accounts.models import User
from accounts.personal_data.exporting import build_export, request_export
from accounts.personal_data.models import DataExport, DataExportPart
from accounts.personal_data.own import StaffAccount
from accounts.tasks import erase_people
from memberships.models import SubscriptionChange
from memberships.subscriptions.recording import Why, note_change
from merchants.models import Merchant
from merchants.services import add_member
from paycore.clock import database_now
from paycore.models import EventRecord, Notification
from paycore.notifications.services import send_due
from payments.orders.models import Order, Payment
from payments.routing.models import GatewayAccount
from tests.accounts.conftest import App
from tests.accounts.factories import UserFactory
from tests.accounts.people import age_the_proof, post, send_identity
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.memberships.factories import make_plan, make_price
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db
EMAIL, PHONE, NAME = "zyxelina@quarkmoor.example", "+33611223344", "Zyxelina Quarkmoor"


@pytest.fixture
def ada(app: App) -> User:
    user: User = UserFactory(email=EMAIL, phone=PHONE, name=NAME)
    note_phone_verified(user_id=user.pk)
    app.sign_in(email=EMAIL)
    return user


def is_as_before(user: User, before: dict[str, Any]) -> bool:
    return User.objects.values().get(pk=user.pk) == before


# --- Closing --------------------------------------------------------------------------------------------------------


def test_closing_ends_every_session_and_refuses_every_sign_in(app: App, ada: User) -> None:
    other_device = App()
    other_device.sign_in(email=EMAIL)
    answer = post(app, "/me/close", {"reason": "I move to the woods."})
    assert answer.status_code == 200, answer.content
    assert answer.json()["kept"]
    assert app.call("GET", "/api/v1/me").status_code == 401
    assert other_device.call("GET", "/api/v1/me").status_code == 401
    assert other_device.refresh().status_code >= 400
    assert App().sign_in(email=EMAIL).status_code >= 400
    ada.refresh_from_db()
    assert (ada.is_active, ada.closing_reason, ada.email) == (False, "I move to the woods.", EMAIL)
    assert EventRecord.objects.filter(name="user.closed", object_id=ada.pk).exists()


def test_old_tokens_stay_dead_when_the_account_is_opened_again(app: App, ada: User) -> None:
    post(app, "/me/close")
    reopen_account(ada.pk)
    assert app.call("GET", "/api/v1/me").status_code == 401
    assert app.refresh().status_code >= 400
    assert App().sign_in(email=EMAIL).status_code == 200


def test_closing_wants_a_recent_sign_in(app: App, ada: User) -> None:
    before = User.objects.values().get(pk=ada.pk)
    age_the_proof(app)
    for path in ("/me/close", "/me/erasure"):
        answer = post(app, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "reauth_required")
    assert is_as_before(ada, before)
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("path", ["/me/close", "/me/erasure"])
def test_nobody_leaves_with_an_open_order(
    app: App, ada: User, merchant_server: MerchantServer, account: GatewayAccount, path: str
) -> None:
    Order.objects.create(
        merchant=merchant_server.merchant,
        merchant_order_number="1",
        user=ada,
        currency="USD",
        amount_minor=100,
        description="A thing",
        expires_at=database_now() + timedelta(hours=1),
        next_attempt_at=database_now() + timedelta(hours=1),
    )
    before = User.objects.values().get(pk=ada.pk)
    answer = post(app, path)
    assert (answer.status_code, answer.json()["code"]) == (409, "orders_open")
    assert is_as_before(ada, before)
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("path", ["/me/close", "/me/erasure"])
def test_nobody_leaves_while_a_refund_is_under_way(
    app: App, ada: User, merchant_server: MerchantServer, account: GatewayAccount, path: str
) -> None:
    order_id = merchant_server.paid_order_of_user(ada)
    payment = Payment.objects.get(order_id=order_id)
    asked = merchant_server.post("/refunds", {"payment": payment.id, "reason": "x", "amount_minor": 10})
    assert asked.status_code in (200, 201, 202)
    before = User.objects.values().get(pk=ada.pk)
    answer = post(app, path)
    assert (answer.status_code, answer.json()["code"]) == (409, "refunds_under_way")
    assert is_as_before(ada, before)


@pytest.mark.parametrize("path", ["/me/close", "/me/erasure"])
def test_an_owner_hands_the_business_over_first(app: App, ada: User, merchant: Merchant, path: str) -> None:
    add_member(merchant=merchant, user=ada, role="owner")
    before = User.objects.values().get(pk=ada.pk)
    answer = post(app, path)
    assert (answer.status_code, answer.json()["code"]) == (409, "owns_merchant")
    assert is_as_before(ada, before)


def test_staff_cannot_leave_while_they_have_rights(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    with pytest.raises(StaffAccount):
        close_account(ada.pk, reason="", confirmed=[], now=database_now())
    assert User.objects.get(pk=ada.pk).closed_at is None


def test_closing_twice_at_once_is_one_closing(ada: User) -> None:
    close_account(ada.pk, reason="", confirmed=[], now=database_now())
    with pytest.raises(Exception, match="account_closed"):
        close_account(ada.pk, reason="again", confirmed=[], now=database_now())
    assert EventRecord.objects.filter(name="user.closed").count() == 1


@pytest.mark.parametrize("path", ["/me/close", "/me/erasure"])
@pytest.mark.parametrize("body", [{"confirm": "all"}, {"confirm": [1]}, {"force": True}, {"confirm": ["x"] * 21}])
def test_a_bad_body_changes_nothing(app: App, ada: User, path: str, body: dict[str, Any]) -> None:
    before = User.objects.values().get(pk=ada.pk)
    assert post(app, path, body).status_code == 400
    assert is_as_before(ada, before)
    assert not Erasure.objects.exists()


def test_the_database_knows_no_open_account_that_is_closed(ada: User) -> None:
    with pytest.raises(DatabaseError, match="user_closed_is_inactive"), transaction.atomic():
        User.objects.filter(pk=ada.pk).update(closed_at=database_now())
    with pytest.raises(DatabaseError, match="user_erased_has_no_address"), transaction.atomic():
        User.objects.filter(pk=ada.pk).update(closed_at=database_now(), is_active=False, erased_at=database_now())


# --- Erasure --------------------------------------------------------------------------------------------------------


def test_an_erasure_waits_and_whoever_signs_in_may_cancel_it(app: App, ada: User) -> None:
    asked = post(app, "/me/erasure")
    assert asked.status_code == 202, asked.content
    assert any("tax" in line for line in asked.json()["kept"])
    assert app.call("GET", "/api/v1/me/erasure").json()["status"] == "scheduled"
    assert (erase_people(), due_erasures(limit=5)) == (0, [])
    device = App()
    assert device.sign_in(email=EMAIL).status_code == 200
    assert device.call("DELETE", "/api/v1/me/erasure").json()["status"] == "canceled"
    assert device.call("GET", "/api/v1/me/erasure").json()["code"] == "no_erasure_scheduled"
    Erasure.objects.update(due_at=database_now())
    assert erase_people() == 0
    assert User.objects.get(pk=ada.pk).email == EMAIL
    assert post(app, "/me/erasure").status_code == 202, "may be asked for again"


def test_asking_twice_is_one_erasure(app: App, ada: User) -> None:
    post(app, "/me/erasure")
    again = post(app, "/me/erasure")
    assert (again.status_code, again.json()["code"]) == (409, "erasure_scheduled")
    assert Erasure.objects.count() == 1


def make_due() -> None:
    moment = database_now() - timedelta(seconds=1)
    Erasure.objects.filter(status="scheduled").update(due_at=moment, next_attempt_at=moment)


def test_what_comes_up_meanwhile_holds_it_up_and_is_said(app: App, ada: User, merchant: Merchant) -> None:
    post(app, "/me/erasure")
    add_member(merchant=merchant, user=ada, role="owner")
    make_due()
    assert erase_people() == 1
    shown = app.call("GET", "/api/v1/me/erasure").json()
    assert (shown["status"], shown["blocked_by"]) == ("scheduled", "owns_merchant")
    assert User.objects.get(pk=ada.pk).email == EMAIL
    assert erase_people() == 0, "looked at again only hours later"


def live_a_life(app: App, ada: User, server: MerchantServer) -> str:
    """Everything that leaves traces of a person; the id of a paid order."""
    staff = UserFactory(is_staff=True)
    EmailAddress.objects.update_or_create(user=ada, email=EMAIL, defaults={"verified": True, "primary": True})
    Authenticator.objects.create(user=ada, type="totp", data={"secret": NAME})
    terms = ConsentDocument.objects.create(
        kind="terms", version="1", text_en="a", text_zh="b", published_at=database_now()
    )
    post(app, "/me/consents", {"document": terms.id})
    app.call("PATCH", "/api/v1/me", {"avatar_url": "https://pictures.example/zyxelina.png"})
    case = KycCase.objects.get(id=send_identity(app, document_number="ZYXELINA1").json()["id"])
    reject_identity(case.id, reviewer=staff, reason=f"{NAME} is not readable.", now=database_now())
    send_identity(app, document_number="ZYXELINA2")
    LogEntry.objects.create(
        user=staff,
        content_type=ContentType.objects.get_for_model(User),
        object_id=ada.pk,
        object_repr=str(ada),
        action_flag=CHANGE,
    )
    order_id = server.paid_order_of_user(ada)
    Order.objects.filter(id=order_id).update(metadata={"note": f"for {NAME}"})
    Payment.objects.filter(order_id=order_id).update(
        request_options={"payer": {"email": EMAIL}}, return_url=f"https://shop.example/?for={EMAIL}"
    )
    member = make_member(ada, make_price(make_plan()), status="ended")
    with transaction.atomic():
        note_change(member, Why("canceled", ada.pk, database_now(), reason=f"{NAME} does not like it"))
    run_background()
    build_export(request_export(ada.pk, now=database_now()).id)
    post(app, "/me/exports")
    return order_id


def where_it_says(*needles: str) -> set[str]:
    """Every ``table.column`` of the database, of any type that can hold text, in which one of ``needles`` is found."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND"
            " data_type IN ('text', 'character varying', 'character', 'bytea', 'json', 'jsonb', 'ARRAY', 'inet')"
        )
        columns = cursor.fetchall()
        assert len(columns) > 200
        found = set()
        for table, column, kind in columns:
            text = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            for needle in needles:
                cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}" WHERE {text} ILIKE %s)', [f"%{needle}%"])
                if cursor.fetchone()[0]:
                    found.add(f"{table}.{column}")
    readable = " ".join(str(session.get_decoded()) for session in Session.objects.all())
    if any(needle.lower() in readable.lower() for needle in needles):
        found.add("django_session.session_data (decoded)")
    return found


NEEDLES = (EMAIL, PHONE, PHONE[1:], NAME, "zyxelina", "quarkmoor")


def test_after_an_erasure_no_column_of_any_table_names_the_person(
    app: App, ada: User, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order_id = live_a_life(app, ada, merchant_server)
    assert {
        "accounts_user.email",
        "accounts_user.phone",
        "accounts_user.name",
        "accounts_user.avatar_url",
        "accounts_kyccase.reason",
        "account_emailaddress.email",
        "django_admin_log.object_repr",
        "payments_order.metadata",
        "payments_payment.request_options",
        "payments_payment.return_url",
        "memberships_subscriptionchange.reason",
    } <= where_it_says(*NEEDLES), "the search finds what is there"
    post(app, "/me/erasure")
    make_due()
    assert erase_people() == 1
    erasure = Erasure.objects.get()
    assert (erasure.status, where_it_says(*NEEDLES)) == ("telling", set())

    user = User.objects.get(pk=ada.pk)
    assert (user.email, user.phone, user.name, user.kyc_level, user.is_active) == (None, None, "", 0, False)
    assert user.erased_at is not None
    assert not KycDocument.objects.exists()
    assert not KycCase.objects.filter(number__isnull=False).exists()
    assert not KycCase.objects.filter(status="submitted").exists(), "nobody waits in the queue"
    assert not KycCase.objects.filter(number_index__isnull=False).exists()
    written = SubscriptionChange.objects.filter(subscription__user=ada, by=ada.pk)
    assert list(written.values_list("kind", "reason")) == [("canceled", "")], "that it happened stays"
    assert not DataExportPart.objects.exists()
    assert set(DataExport.objects.values_list("status", flat=True)) == {"expired", "failed"}
    assert not Authenticator.objects.exists()
    assert Notification.objects.filter(user_id=ada.pk).count() == 0
    assert Consent.objects.filter(user=ada).count() == 1, "the proof of consent stays"
    order = Order.objects.get(id=order_id)
    assert (order.status, order.amount_minor, order.user_id) == ("paid", 1999, ada.pk)
    assert_books_are_whole()
    assert EventRecord.objects.filter(name="user.erased", object_id=ada.pk).exists()


def test_the_address_of_an_erased_person_is_free_again(app: App, ada: User) -> None:
    post(app, "/me/erasure")
    make_due()
    erase_people()
    assert app.call("GET", "/api/v1/me").status_code == 401
    assert App().sign_in(email=EMAIL).status_code >= 400
    UserFactory(email=EMAIL, phone=PHONE)
    with pytest.raises(Exception, match="account_not_closed"):
        reopen_account(ada.pk)


@pytest.mark.django_db(transaction=True)
def test_the_last_mail_says_what_stays_and_its_address_goes_with_it(app: App) -> None:
    user = UserFactory(email=EMAIL, name=NAME, locale="en")
    request_erasure(user.pk, requested_by=user, confirmed=[], now=database_now())
    make_due()
    erase_people()
    send_due()
    last = mail.outbox[-1]
    assert (last.to, last.subject) == ([EMAIL], "Your account is erased")
    assert "GDPR" in last.body
    assert "tax" in last.body
    erasure = Erasure.objects.get()
    assert Notification.objects.filter(email__isnull=False).count() == 1
    assert continue_erasure(erasure.id, now=database_now()) == "done"
    assert not Notification.objects.filter(email__isnull=False).exists()


def test_while_the_last_mail_is_not_out_its_address_stays(ada: User) -> None:
    request_erasure(ada.pk, requested_by=ada, confirmed=[], now=database_now())
    make_due()
    erase_people()
    erasure = Erasure.objects.get()
    assert continue_erasure(erasure.id, now=database_now()) == "telling"
    Notification.objects.update(status="failed", next_attempt_at=None)
    assert continue_erasure(erasure.id, now=database_now()) == "done"
    assert not Notification.objects.exists()


def test_a_section_that_fails_leaves_the_person_whole(ada: User, monkeypatch: Any) -> None:
    """One transaction: half an erasure does not exist."""
    request_erasure(ada.pk, requested_by=ada, confirmed=[], now=database_now())
    make_due()
    before = User.objects.values().get(pk=ada.pk)

    def die(_event: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("accounts.leaving.erasing.publish", die)
        with pytest.raises(KeyboardInterrupt):
            erase_people()
    assert is_as_before(ada, before)
    assert Erasure.objects.get().status == "scheduled"
    make_due()
    erase_people()
    assert User.objects.get(pk=ada.pk).email is None


def test_a_closed_account_can_be_erased_by_staff(ada: User) -> None:
    staff = UserFactory(is_staff=True)
    close_account(ada.pk, reason="", confirmed=[], now=database_now())
    request_erasure(ada.pk, requested_by=staff, confirmed=[], now=database_now())
    make_due()
    erase_people()
    assert User.objects.get(pk=ada.pk).erased_at is not None
    assert EventRecord.objects.filter(name="user.closed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_cancelling_and_erasing_at_once_is_one_of_the_two() -> None:
    for trial in range(8):
        email = f"ada{trial}@quarkmoor.example"
        user = UserFactory(email=email)
        erasure = request_erasure(user.pk, requested_by=user, confirmed=[], now=database_now())
        make_due()
        barrier = threading.Barrier(2)

        def run(act: Any, barrier: threading.Barrier = barrier) -> None:
            try:
                barrier.wait()
                act()
            except NoErasureScheduled:
                pass  # the erasure was faster
            finally:
                connection.close()

        acts = (
            lambda user=user: cancel_erasure(user.pk),
            lambda erasure=erasure: continue_erasure(erasure.id, now=database_now()),
        )
        threads = [threading.Thread(target=run, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        user.refresh_from_db()
        status = Erasure.objects.get(id=erasure.id).status
        assert (status, user.email) in {("canceled", email), ("telling", None)}
