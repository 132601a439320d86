"""What staff see of promised refunds, usage counters and journeys of sandbox clocks, and what they may do."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from memberships.models import ClockAdvance, CreditNote, Price, PromisedRefund, SubscriptionChange, UsageCounter
from memberships.subscriptions.recording import Why, note_change
from merchants.models import Merchant
from paycore.clock import database_now
from payments.orders.models import Refund
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from tests.actors import AppUser
from tests.memberships.billing import bill_and_credit
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member
from tests.memberships.test_promised_refunds import owed_after_cancel
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def price(platform: Merchant, settings: Any) -> Price:
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"
    Merchant.objects.filter(id=platform.id).update(refund_review_above_minor=0)
    return make_catalogue()


def page(name: str, action: str = "changelist", *arguments: Any) -> str:
    return reverse(f"ops:memberships_{name}_{action}", args=[quote(argument) for argument in arguments])


def act(client: Client, action: str, row: PromisedRefund, **fields: Any) -> str:
    answer = client.post(page("promisedrefund", action, row.pk), {"_form_submitted": "on", **fields}, follow=True)
    return str(answer.content.decode())


def test_what_is_owed_is_found_and_sent_again(
    ops: Client, app_user: AppUser, account: GatewayAccount, price: Price
) -> None:
    member, promised = owed_after_cancel(app_user, price)
    for term in (promised.id, promised.refund_id, member.id, app_user.user.id, promised.invoice.number):
        assert promised.id in ops.get(page("promisedrefund"), {"q": term}).content.decode()
    assert promised.id not in ops.get(page("promisedrefund"), {"q": "nobody"}).content.decode()
    assert promised.id not in ops.get(page("promisedrefund"), {"status__exact": "done"}).content.decode()
    case = Case.objects.get(object_id=promised.id)
    on_case = ops.get(reverse("ops:riskcontrol_case_change", args=[quote(case.pk)])).content.decode()
    assert page("promisedrefund", "change", promised.pk) in on_case
    dialog = ops.get(page("promisedrefund", "again", promised.pk))
    assert (dialog.status_code, Refund.objects.count()) == (200, 1)
    act(ops, "again", promised)
    assert Refund.objects.count() == 2
    promised.refresh_from_db()
    assert promised.status == "sent_again"


def test_keeping_it_asks_for_a_reason(ops: Client, app_user: AppUser, account: GatewayAccount, price: Price) -> None:
    _member, promised = owed_after_cancel(app_user, price)
    act(ops, "keep_it", promised, reason="")
    promised.refresh_from_db()
    assert promised.status == "owed"
    act(ops, "keep_it", promised, reason="a stolen card")
    promised.refresh_from_db()
    assert (promised.status, promised.reason) == ("dropped", "a stolen card")


def test_who_may_only_look_decides_nothing(app_user: AppUser, account: GatewayAccount, price: Price) -> None:
    _member, promised = owed_after_cancel(app_user, price)
    client = Client()
    client.force_login(make_user(is_staff=True))
    for action in ("again", "credit", "keep_it"):
        assert client.post(page("promisedrefund", action, promised.pk), {"_form_submitted": "on"}).status_code == 403
    promised.refresh_from_db()
    assert (promised.status, Refund.objects.count()) == ("owed", 1)


def test_the_case_of_what_is_owed_is_not_closed_by_hand(
    ops: Client, app_user: AppUser, account: GatewayAccount, price: Price
) -> None:
    _member, promised = owed_after_cancel(app_user, price)
    case = Case.objects.get(object_id=promised.id)
    address = reverse("ops:riskcontrol_case_resolve", args=[quote(case.pk)])
    ops.post(address, {"_form_submitted": "on", "note": "done"}, follow=True)
    case.refresh_from_db()
    assert case.status == "open"


def test_counters_and_journeys_are_looked_at(ops: Client, price: Price) -> None:
    user, now = make_user(), database_now()
    counter = UsageCounter.objects.create(user=user, feature="exports", subject="sub_x", starts_at=now, used=7)
    journey = ClockAdvance.objects.create(
        user=user, started_from=now, target_at=now + timedelta(days=3), reached_at=now
    )
    for name, row, term in (("usagecounter", counter, "exports"), ("clockadvance", journey, journey.id)):
        assert user.email in ops.get(page(name), {"q": term}).content.decode()
        assert user.email in ops.get(page(name), {"q": user.id}).content.decode()
        assert user.email not in ops.get(page(name), {"q": "usr_nobody"}).content.decode()
        assert ops.get(page(name, "change", row.pk)).status_code == 200
        assert ops.post(page(name, "change", row.pk), {"used": 0}).status_code == 403
    assert user.email not in ops.get(page("usagecounter"), {"feature": "seats"}).content.decode()
    assert user.email in ops.get(page("clockadvance"), {"status__exact": "running"}).content.decode()
    assert user.email not in ops.get(page("clockadvance"), {"status__exact": "failed"}).content.decode()


def refused(sql: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
            transaction.set_rollback(True)
    except DatabaseError as error:
        return "Cannot update" in str(error)
    return False


def test_of_the_history_only_words_can_be_emptied(price: Price) -> None:
    user = make_user()
    member = make_member(user, price)
    with transaction.atomic():
        note_change(member, Why("canceled", user.pk, database_now(), reason="my words"))
    row = SubscriptionChange.objects.get(subscription=member)
    table = f"UPDATE memberships_subscriptionchange SET %s WHERE id = {row.id}"
    assert refused(table % "reason = 'other words'")
    assert refused(table % "reason = '', kind = 'resumed'")
    assert refused(table % "reason = '', details = '{\"x\": 1}'")
    assert not refused(table % "reason = ''")
    SubscriptionChange.objects.filter(id=row.id).update(reason="")
    assert refused(table % "reason = 'my words'")
    assert refused(table % "reason = ''")


def test_of_a_credit_note_only_its_end_can_be_written(price: Price) -> None:
    _invoice, note = bill_and_credit(make_user())
    table = f"UPDATE memberships_creditnote SET %s WHERE id = '{note.id}'"
    assert refused(table % "total_minor = 1")
    assert refused(table % "voided_at = now(), total_minor = 1")
    assert not refused(table % "voided_at = now()")
    CreditNote.objects.filter(id=note.id).update(voided_at=database_now())
    assert refused(table % "voided_at = NULL")
    assert refused(table % "voided_at = now()")
