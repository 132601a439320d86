import smtplib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Lock

import pytest
from django.core import mail
from django.db import connection, transaction
from django.db.models.functions import Now
from django.template.exceptions import TemplateDoesNotExist
from django.test import Client, override_settings
from django.urls import reverse

from paycore.notifications import addresses, services
from paycore.notifications.addresses import Address, Recipient, register_address_book
from paycore.notifications.models import MAX_ATTEMPTS, Notification
from paycore.notifications.rendering import Message, render
from paycore.notifications.services import notify, retry_notification, send_due
from tests.merchants.factories import make_user

TEMPLATES = ("payment_received", "refund_succeeded", "refund_failed", "welcome", "membership_activated")
CONTEXT: dict[str, str | int] = {
    "merchant_name": "Shop & <Sons>",
    "description": "Premium, one month",
    "order_id": "ord_1",
    "payment_id": "pay_1",
    "refund_id": "ref_1",
    "plan_name": "Premium",
    "name": "Ada",
    "amount_minor": 123_456,
    "currency": "USD",
    "paid_at": "2026-11-21T09:30:00+00:00",
    "ends_at": "2026-12-21T09:30:00+00:00",
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_address_book() -> Iterator[None]:
    before = addresses._book
    yield
    register_address_book(before)


def _write(key: str = "k", *, to: Recipient | None = None, template: str = "payment_received") -> None:
    notify(template=template, to=to or Recipient(email="ada@example.com"), context=CONTEXT, key=key)


def _make_due() -> None:
    Notification.objects.filter(status="pending").update(next_attempt_at=Now() - timedelta(seconds=1))


def _refuse(*args: object, **options: object) -> None:
    raise smtplib.SMTPRecipientsRefused({"ada@example.com": (550, b"no such ada@example.com")})


def test_a_message_is_written_down_and_then_sent_once() -> None:
    _write()
    assert mail.outbox == []

    assert send_due() == 1
    assert send_due() == 0

    (sent,) = mail.outbox
    assert sent.to == ["ada@example.com"]
    assert "$1,234.56" in sent.body
    row = Notification.objects.get()
    assert (row.status, row.attempts, row.next_attempt_at) == ("sent", 1, None)
    assert row.sent_at is not None


def test_the_same_occasion_is_written_down_once() -> None:
    _write("payment_received:pay_1")
    _write("payment_received:pay_1", to=Recipient(email="other@example.com"))

    send_due()

    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_a_change_that_is_undone_tells_nobody() -> None:
    with transaction.atomic():
        _write()
        transaction.set_rollback(True)

    assert send_due() == 0
    assert not Notification.objects.exists()


def test_a_message_without_words_is_not_written_down() -> None:
    with pytest.raises(TemplateDoesNotExist):
        _write(template="no_such_message")

    assert not Notification.objects.exists()


def test_addresses_and_words_are_sealed_in_the_database() -> None:
    _write(to=Recipient(email="ada@example.com", phone="+6591234567"))

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(email, 'escape') || encode(phone, 'escape') || encode(context, 'escape')"
            " FROM paycore_notification"
        )
        stored = cursor.fetchone()[0]
    assert "ada@" not in stored
    assert "+659" not in stored
    assert "Sons" not in stored
    assert Notification.objects.get().email == "ada@example.com"


def test_a_users_address_is_looked_up_when_the_message_is_sent() -> None:
    register_address_book({"usr_1": Address(email="now@example.com", language="zh-hans")}.get)
    _write(to=Recipient(user_id="usr_1"))

    send_due()

    assert mail.outbox[0].to == ["now@example.com"]
    assert Notification.objects.get().email is None


def test_a_user_who_is_gone_is_not_tried_again() -> None:
    register_address_book(lambda user_id: None)
    _write(to=Recipient(user_id="usr_gone"))

    send_due()

    row = Notification.objects.get()
    assert (row.status, row.last_error, mail.outbox) == ("failed", "no address", [])


def test_a_person_with_only_a_phone_gets_the_subject_as_a_short_message(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(services, "send_sms", lambda message, *, phone, key: sent.append((phone, message.subject)))
    _write(to=Recipient(phone="+6591234567"))

    send_due()

    assert sent == [("+6591234567", "Receipt from Shop & <Sons>: $1,234.56")]
    assert Notification.objects.get().status == "sent"


@override_settings(PAYCORE_SMS_PROVIDER="log")
def test_without_a_provider_a_short_message_is_only_logged() -> None:
    _write(to=Recipient(phone="+6591234567"))

    send_due()

    assert Notification.objects.get().status == "sent"
    assert mail.outbox == []


def test_a_refused_message_is_tried_five_times_later_and_later_and_then_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "send_mail", _refuse)
    _write()
    waits = []
    for _attempt in range(MAX_ATTEMPTS):
        _make_due()
        assert send_due() == 1
        row = Notification.objects.annotate(now=Now()).get()
        if row.next_attempt_at is not None:
            waits.append(row.next_attempt_at - row.now)
        assert send_due() == 0

    row = Notification.objects.get()
    assert (row.status, row.attempts) == ("failed", MAX_ATTEMPTS)
    assert row.last_error == "SMTPRecipientsRefused"
    assert waits == sorted(waits)
    assert len(waits) == MAX_ATTEMPTS - 1


def test_one_message_that_fails_does_not_hold_up_the_others() -> None:
    _write("bad", template="welcome")
    _write("good")
    Notification.objects.filter(key="bad").update(template="taken_away")

    assert send_due() == 2

    assert Notification.objects.get(key="good").status == "sent"
    assert Notification.objects.get(key="bad").last_error == "TemplateDoesNotExist"


def test_a_message_whose_sender_died_is_taken_over_after_the_lease_and_given_up_after_five(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*args: object, **options: object) -> None:
        raise SystemExit

    monkeypatch.setattr(services, "send_mail", die)
    _write()
    for _attempt in range(MAX_ATTEMPTS):
        _make_due()
        with pytest.raises(SystemExit):
            send_due()
        assert send_due() == 0, "within the lease nobody else may send it"

    _make_due()
    assert send_due() == 0
    row = Notification.objects.get()
    assert row.status == "failed"
    assert "died" in row.last_error


def test_a_sender_that_was_too_slow_does_not_undo_what_a_later_one_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(message: Message, *, email: str, key: str) -> None:
        Notification.objects.update(status="sent", next_attempt_at=None, lease_token=None)
        raise TimeoutError

    monkeypatch.setattr(services, "send_mail", overtaken)
    _write()

    send_due()

    assert Notification.objects.get().status == "sent"


def test_a_failed_message_gets_new_attempts_from_a_person() -> None:
    _write()
    Notification.objects.update(status="failed", attempts=5, next_attempt_at=None)
    row_id = Notification.objects.get().id

    assert retry_notification(notification_id=row_id) is True
    assert retry_notification(notification_id=row_id) is False
    send_due()

    assert Notification.objects.get().status == "sent"


@pytest.mark.django_db(transaction=True)
def test_parallel_senders_send_each_message_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: Counter[str] = Counter()
    lock, barrier = Lock(), Barrier(4)

    def count(message: Message, *, email: str, key: str) -> None:
        assert not connection.in_atomic_block
        with lock:
            sent[key] += 1

    def run() -> int:
        try:
            barrier.wait()
            return send_due(limit=100)
        finally:
            connection.close()

    monkeypatch.setattr(services, "send_mail", count)
    for number in range(40):
        _write(f"k{number}")

    with ThreadPoolExecutor(4) as pool:
        tried = sum(future.result() for future in [pool.submit(run) for _sender in range(4)])

    assert tried == 40
    assert sent == Counter({f"k{number}": 1 for number in range(40)})


@pytest.mark.django_db(transaction=True)
def test_messages_are_not_sent_inside_somebodys_transaction() -> None:
    _write()

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        send_due()

    assert Notification.objects.get().status == "pending"
    assert mail.outbox == []


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_every_message_can_be_read_in_every_language_and_fetches_nothing(template: str, language: str) -> None:
    message = render(template, context=CONTEXT, language=language)

    assert "\n" not in message.subject
    assert message.subject
    assert f'lang="{language}"' in message.html
    assert "<Sons>" not in message.html
    for asset in ("<img", "<script", "<link", "url(", "http://", "https://"):
        assert asset not in message.html
    assert "&amp;" not in message.text
    if template in {"payment_received", "refund_succeeded", "refund_failed"}:
        assert "1,234.56" in message.text
        assert "1,234.56" in message.html


def test_a_message_in_an_unknown_language_is_english() -> None:
    assert render("welcome", context={}, language="xx").subject == "Welcome"


def test_a_name_with_a_line_break_stays_in_the_subject() -> None:
    context = {**CONTEXT, "merchant_name": "Shop\r\nBcc: everyone@example.com"}

    message = render("payment_received", context=context, language="en")

    assert message.subject == "Receipt from Shop Bcc: everyone@example.com: $1,234.56"


def test_a_repeated_message_has_the_same_message_id() -> None:
    _write("k")
    send_due()
    Notification.objects.update(status="pending", attempts=1, next_attempt_at=Now())
    send_due()

    first, second = mail.outbox
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]


def test_staff_see_that_a_message_failed_but_not_whom_it_was_for(client: Client) -> None:
    client.force_login(make_user(is_staff=True, is_superuser=True))
    _write()
    Notification.objects.update(status="failed", attempts=5, next_attempt_at=None, last_error="TimeoutError")
    row = Notification.objects.get()

    page = client.get(reverse("ops:paycore_notification_change", args=[row.id])).content.decode()

    assert "TimeoutError" in page
    assert "ada@example.com" not in page
    assert "Sons" not in page


def test_old_messages_are_forgotten_and_those_that_wait_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_PURGE_BATCH", 2)
    for number in range(7):
        _write(f"k{number}")
    old = Now() - timedelta(days=91)
    Notification.objects.filter(key__in=("k0", "k1", "k2", "k3")).update(created_at=old, status="sent")
    Notification.objects.filter(key="k4").update(created_at=old, status="failed")
    Notification.objects.filter(key="k6").update(status="sent")

    assert services.purge() == 5

    assert set(Notification.objects.values_list("key", "status")) == {("k5", "pending"), ("k6", "sent")}
    assert services.purge() == 0
