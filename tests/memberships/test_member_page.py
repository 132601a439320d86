"""The pages on which staff look after members, gifts, codes and seats."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from memberships.gifts.batches import MILL
from memberships.gifts.redeeming import redeem
from memberships.gifts.services import GiftDraft, buy_gift, issue_gift, replace_code
from memberships.invoices.paying import mark_paid
from memberships.models import CodeBatch, Gift, MemberAction, Period, Price, RedeemCode, Redemption, Subscription
from memberships.seats.services import invite
from merchants.models import Merchant
from paycore.clock import database_now
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member, make_store_member
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def boss() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(boss: User) -> Client:
    return signed_in(boss)


@pytest.fixture
def member(price: Price) -> Subscription:
    return make_member(User.objects.create_user(email="ada@example.com", name="Ada"), price, quantity=3)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(row: Any, action: str = "change") -> str:
    return reverse(f"ops:{row._meta.app_label}_{row._meta.model_name}_{action}", args=[quote(row.pk)])


def the_list(model: Any) -> str:
    return reverse(f"ops:memberships_{model._meta.model_name}_changelist")


def deed(kind: str, *rows: Subscription) -> str:
    ids = ",".join(row.id for row in rows)
    return f"{reverse('ops:memberships_subscription_deed', args=[kind])}?id__in={ids}"


def redeemed_gift(price: Price, *, by: User, for_: User) -> Gift:
    now = database_now()
    gift = buy_gift(GiftDraft(buyer=by, price_id=price.id, recipient_email="secret@example.com"), now=now)
    mark_paid(gift.invoice, now=now)
    issue_gift(gift.invoice, now=now)
    _gift, code = replace_code(gift.id, buyer_id=by.id, now=now)
    redeem(code, user=for_, now=now)
    return gift


def test_the_page_of_a_member_shows_all_that_belongs_to_it(ops: Client, member: Subscription, price: Price) -> None:
    redeemed_gift(price, by=make_user(), for_=member.user)
    invite(member.id, owner=member.user, email="ben@example.com", now=database_now())

    shown = ops.get(page(member)).content.decode()

    for words in (
        "What happened",
        "Periods",
        "Invoices",
        "Payments",
        "Notices",
        "Seats",
        "Grants",
        "redeemed",
        "exports",
    ):
        assert words in shown, words
    assert "ben@example.com" not in shown


def test_every_list_opens_searches_and_filters(ops: Client, member: Subscription, price: Price) -> None:
    gift = redeemed_gift(price, by=make_user(), for_=member.user)
    seat = invite(member.id, owner=member.user, email="ben@example.com", now=database_now())
    rows: list[Any] = [member, gift, seat, RedeemCode.objects.latest("id"), Redemption.objects.get()]
    for row in rows:
        model = type(row)
        assert page(row) in ops.get(the_list(model), {"q": row.pk}).content.decode(), model
        assert ops.get(the_list(model), {"q": "nobody"}).status_code == 200
        shown = ops.get(page(row))
        assert shown.status_code == 200
        assert "secret@example.com" not in shown.content.decode()
    found = ops.get(the_list(Subscription), {"q": "ADA@example.com", "status__exact": "active"}).content.decode()
    assert member.id in found
    assert member.id not in ops.get(the_list(Subscription), {"status__exact": "ended"}).content.decode()


def do_it(client: Client, address: str, fields: dict[str, Any]) -> Any:
    """Look first, then confirm what was shown."""
    looked = client.post(address, {**fields, "look": "yes"}).content.decode()
    return client.post(address, {**fields, "seen": seen_on(looked), "confirmed": "yes"})


def seen_on(looked: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', looked)
    return found[1] if found else ""


def test_nothing_is_edited_or_deleted_by_hand(ops: Client, member: Subscription) -> None:
    with no_row_changes():
        assert ops.post(page(member), {"status": "ended"}).status_code == 403
        assert ops.post(page(member, "delete"), {"post": "yes"}).status_code == 403


def test_a_deed_is_filled_in_looked_at_and_done(ops: Client, member: Subscription, boss: User) -> None:
    was = member.period_ends_at
    assert "Days" in ops.get(deed("extend", member)).content.decode()
    with no_row_changes():
        looked = ops.post(deed("extend", member), {"days": "7", "reason": "Outage", "look": "yes"}).content.decode()
    assert "1 subscription." in looked
    assert "Do it" in looked

    done = do_it(ops, deed("extend", member), {"days": "7", "reason": "Outage"})

    action = MemberAction.objects.get()
    assert done.status_code == 302
    assert done["Location"] == page(action)
    member.refresh_from_db()
    assert was is not None
    assert member.period_ends_at == was + timedelta(days=7)
    assert (action.asked_by, action.reason) == (boss.id, "Outage")
    assert ops.get(page(action)).status_code == 200


def test_a_deed_without_reason_or_with_nonsense_does_nothing(ops: Client, member: Subscription) -> None:
    with no_row_changes():
        for fields in ({"days": "7"}, {"days": "0", "reason": "x"}, {"days": "seven", "reason": "x"}):
            assert do_it(ops, deed("extend", member), {**fields}).status_code == 200
        assert ops.get(deed("explode", member)).status_code == 404


def test_only_what_was_looked_at_is_done(ops: Client, member: Subscription, price: Price) -> None:
    fields, confirmed = {"days": "7", "reason": "Outage"}, {"confirmed": "yes"}
    seen = {"seen": seen_on(ops.post(deed("extend", member), {**fields, "look": "yes"}).content.decode())}
    with no_row_changes():
        for sent in (fields | confirmed, fields | seen | confirmed | {"days": "300"}, fields | seen | {"look": "yes"}):
            answer = ops.post(deed("extend", member), sent)
            assert answer.status_code == 200
            assert "Do it" in answer.content.decode()

    address = f"{reverse('ops:memberships_subscription_deed', args=['extend'])}?status__exact=active"
    one = {"seen": seen_on(ops.post(address, {**fields, "look": "yes"}).content.decode())}
    make_member(make_user(), price)
    with no_row_changes():
        assert "not what you looked at" in ops.post(address, fields | one | confirmed).content.decode()


def test_an_address_with_filters_that_make_no_sense_is_not_found(ops: Client, member: Subscription) -> None:
    address = reverse("ops:memberships_subscription_deed", args=["extend"])
    with no_row_changes():
        for filters in ("?nonsense=1", "?created_at__gte=soon"):
            assert ops.post(address + filters, {"days": "7", "reason": "x"}).status_code in (302, 400, 404), filters


def test_a_change_of_plan_shows_its_lines_before_it_is_done(ops: Client, member: Subscription) -> None:
    Subscription.objects.filter(id=member.id).update(quantity=1)
    platinum = Price.objects.get(plan__code="platinum")
    with no_row_changes():
        looked = ops.post(deed("change_now", member), {"price": platinum.id, "reason": "Asked", "look": "yes"})
    words = looked.content.decode()
    assert "What would be charged" in words
    assert "To pay" in words


def test_many_are_chosen_by_the_filters_of_the_list(ops: Client, member: Subscription, price: Price) -> None:
    others = [make_member(make_user(), price) for _number in range(2)]
    ended = make_member(make_user(), price, status="ended")
    address = f"{reverse('ops:memberships_subscription_deed', args=['cancel_at_end'])}?status__exact=active"
    looked = ops.post(address, {"reason": "Closing", "look": "yes"}).content.decode()
    assert "3 subscriptions." in looked
    assert ended.id not in looked

    do_it(ops, address, {"reason": "Closing"})

    action = MemberAction.objects.get()
    assert (action.status, action.total) == ("running", 3)
    assert {item.subscription_id for item in action.items.all()} == {member.id, *(other.id for other in others)}


def test_the_actions_of_the_list_lead_to_the_same_page(ops: Client, member: Subscription) -> None:
    sent = ops.post(the_list(Subscription), {"action": "extend_selected", "_selected_action": [member.id]})
    assert sent.status_code == 302
    assert sent["Location"] == deed("extend", member)


def test_a_second_person_agrees_on_the_page_of_the_deed(
    ops: Client, boss: User, member: Subscription, settings: Any
) -> None:
    settings.PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR = 1
    do_it(ops, deed("extend", member), {"days": "30", "reason": "Sorry"})
    action = MemberAction.objects.get()
    sent = {"_form_submitted": "on", "fingerprint": action.fingerprint}

    ops.post(page(action, "agree"), sent)
    action.refresh_from_db()
    assert action.status == "waiting"

    signed_in(make_user(is_staff=True, is_superuser=True)).post(page(action, "agree"), sent)
    action.refresh_from_db()
    assert action.status == "running"
    assert action.decided_by != boss.id


def test_who_may_only_look_does_nothing(member: Subscription) -> None:
    clerk = make_user(is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_subscription"))
    client = signed_in(clerk)
    assert client.get(page(member)).status_code == 200
    with no_row_changes():
        assert client.get(deed("extend", member)).status_code == 403
        assert client.post(deed("extend", member), {"days": "7", "reason": "x", "confirmed": "yes"}).status_code == 403


def test_a_stores_membership_offers_no_deeds(ops: Client, price: Price) -> None:
    store = make_store_member(make_user(), price)
    assert "/deed/" not in ops.get(page(store)).content.decode().replace("extend_selected", "")
    do_it(ops, deed("extend", store), {"days": "7", "reason": "x"})
    assert Period.objects.filter(subscription=store).count() == 0


def test_codes_are_made_on_a_page_and_exported_once(ops: Client, boss: User, price: Price) -> None:
    expires = database_now() + timedelta(days=30)
    form = {
        "name": "=SUM(1)", "plan": price.plan_id, "interval": "month", "interval_count": "1", "count": "3",
        "uses_a_code": "1", "expires_at_0": expires.strftime("%Y-%m-%d"), "expires_at_1": "12:00:00",
    }  # fmt: skip
    made = ops.post(reverse("ops:memberships_codebatch_add"), form)
    assert made.status_code == 302, made.context and made.context["errors"]
    batch = CodeBatch.objects.get()
    assert (batch.status, batch.created_by, batch.count) == ("making", boss.id, 3)
    MILL.advance(batch.id)
    address = reverse("ops:memberships_codebatch_codes", args=[batch.pk])

    with no_row_changes():
        assert "The file can be had once" in ops.get(address).content.decode()
    sent = b"".join(ops.post(address).streaming_content).decode()  # type: ignore[attr-defined]  # a streamed answer

    lines = sent.strip().splitlines()
    assert len(lines) == 4
    assert not any(line.lstrip("\ufeff").startswith(("=", "+", "-", "@")) for line in lines)
    again = ops.post(address)
    assert again.status_code == 302
    assert ops.get(page(batch)).status_code == 200
    assert "=SUM(1)" in ops.get(the_list(CodeBatch)).content.decode()
    ops.post(page(batch, "void"), {"_form_submitted": "on"})
    batch.refresh_from_db()
    assert batch.status == "void"


@pytest.mark.parametrize("change", [{"count": "100001"}, {"count": "0"}, {"interval_count": "0"}, {"uses_a_code": "0"}])
def test_a_batch_beyond_its_bounds_is_not_made(ops: Client, price: Price, change: dict[str, str]) -> None:
    form = {
        "name": "x", "plan": price.plan_id, "interval": "month", "interval_count": "1", "count": "3",
        "uses_a_code": "1", "expires_at_0": "2099-01-01", "expires_at_1": "12:00:00",
    }  # fmt: skip
    assert ops.post(reverse("ops:memberships_codebatch_add"), form | change).status_code == 200
    assert CodeBatch.objects.count() == 0


def test_another_person_agrees_to_many_codes(ops: Client, boss: User, price: Price, settings: Any) -> None:
    settings.PAYCORE_PROMOTION_SECOND_PERSON_ABOVE_DAYS = 10
    form = {
        "name": "Many", "plan": price.plan_id, "interval": "month", "interval_count": "1", "count": "3",
        "uses_a_code": "1", "expires_at_0": "2099-01-01", "expires_at_1": "12:00:00",
    }  # fmt: skip
    ops.post(reverse("ops:memberships_codebatch_add"), form)
    batch = CodeBatch.objects.get()
    assert batch.status == "waiting"
    ops.post(page(batch, "approve"), {"_form_submitted": "on"})
    batch.refresh_from_db()
    assert (batch.status, batch.approved_by) == ("waiting", "")
    other = signed_in(make_user(is_staff=True, is_superuser=True))
    other.post(page(batch, "approve"), {"_form_submitted": "on"})
    batch.refresh_from_db()
    assert (batch.status, batch.approved_by != boss.id, batch.approved_by != "") == ("making", True, True)
