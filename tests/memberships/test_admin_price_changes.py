"""Price changes, as staff write, look at, announce and follow them."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from memberships.models import Price, PriceChange, PriceMove
from paycore.models import Notification
from tests.memberships.factories import make_price
from tests.memberships.price_stage import make_change, make_member, make_prices
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db
Prices = tuple[Price, Price]


@pytest.fixture
def author() -> User:
    return make_user(is_staff=True, is_superuser=True)


@pytest.fixture
def ops(author: User) -> Client:
    return signed_in(author)


@pytest.fixture
def prices() -> Prices:
    return make_prices()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(row: Any, name: str = "change") -> str:
    return reverse(f"ops:memberships_{row._meta.model_name}_{name}", args=[quote(row.pk)])


def do(client: Client, change: PriceChange, name: str) -> Any:
    return client.post(page(change, name), {"_form_submitted": "on"})


def form_of(prices: Prices, **values: str) -> dict[str, str]:
    form = {"from_price": prices[0].id, "to_price": prices[1].id, "kind": "notice", "notice_days": "45"}
    return form | {"unanswered": "keep", "note": "Costs rose"} | values


ADD = "ops:memberships_pricechange_add"


def test_a_change_is_written_and_its_page_is_a_dry_run(ops: Client, author: User, prices: Prices) -> None:
    member = make_member(prices[0])
    make_member(prices[0], cancel_at_period_end=True)

    assert ops.post(reverse(ADD), form_of(prices)).status_code == 302
    change = PriceChange.objects.get()
    text = ops.get(page(change)).content.decode()

    assert (change.status, change.notice_days, change.created_by) == ("draft", 45, author)
    for fact in ("Dry run", "$36.00", "Ends with its period", "$22.99", str(member.user)):
        assert fact in text
    assert not PriceMove.objects.exists()
    assert not Notification.objects.exists()


def test_the_page_of_an_old_price_leads_to_its_change(ops: Client, prices: Prices) -> None:
    answer = ops.get(page(prices[0], "move_members"))

    assert answer["Location"] == f"{reverse(ADD)}?from_price={prices[0].id}"
    assert ops.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"notice_days": "29"}, {"notice_days": "366"}, {"notice_days": ""}, {"kind": "x"}, {"from_price": "pri_unknown"}],
    ids=str,
)
def test_an_impossible_change_is_not_written(ops: Client, prices: Prices, wrong: dict[str, str]) -> None:
    assert ops.post(reverse(ADD), form_of(prices, **wrong)).status_code == 200
    assert not PriceChange.objects.exists()


def test_what_the_service_refuses_the_form_says(ops: Client, prices: Prices) -> None:
    swapped = ops.post(reverse(ADD), form_of((prices[1], prices[0])))
    other = ops.post(reverse(ADD), form_of((prices[0], make_price(prices[0].plan, 900, "EUR"))))
    make_change(prices)
    again = ops.post(reverse(ADD), form_of(prices))

    assert "still on sale" in swapped.content.decode()
    assert "same plan, currency and interval" in other.content.decode()
    assert "another price change" in again.content.decode()
    assert PriceChange.objects.count() == 1


def test_another_person_announces_and_members_are_told(ops: Client, author: User, prices: Prices) -> None:
    make_member(prices[0])
    change = make_change(prices, author=author)

    do(ops, change, "announce")
    change.refresh_from_db()
    assert change.status == "draft"
    assert not PriceMove.objects.exists()

    other = signed_in(make_user(is_staff=True, is_superuser=True))
    assert other.get(page(change, "announce")).status_code == 200
    change.refresh_from_db()
    assert change.status == "draft"
    do(other, change, "announce")
    change.refresh_from_db()

    assert (change.status, change.told, Notification.objects.count()) == ("announced", 1, 1)
    text = ops.get(page(change)).content.decode()
    assert "100 %" in text
    assert "Told, no answer yet" in text


def test_prices_are_suggested_by_plan_and_amount(ops: Client, prices: Prices) -> None:
    where = {"app_label": "memberships", "model_name": "pricechange", "field_name": "from_price"}
    answer = ops.get(reverse("ops:autocomplete"), {"term": prices[0].plan.code, **where})

    texts = {found["id"]: found["text"] for found in answer.json()["results"]}
    assert texts[prices[0].id].startswith(f"{prices[0].plan} · $")
    assert prices[0].id not in "".join(texts.values())


def test_what_waits_for_a_second_person_is_on_the_overview(ops: Client, prices: Prices) -> None:
    assert "Price changes to announce" not in ops.get(reverse("ops:index")).content.decode()

    ops.post(reverse(ADD), form_of(prices))

    shown = ops.get(reverse("ops:index")).content.decode()
    assert "Price changes to announce" in shown
    assert f"{reverse('ops:memberships_pricechange_changelist')}?status__exact=draft" in shown


def test_what_silence_means_is_shown_only_where_consent_is_asked_for(ops: Client, prices: Prices) -> None:
    ops.post(reverse(ADD), form_of(prices))
    assert "Without consent" not in ops.get(page(PriceChange.objects.get())).content.decode()


def test_an_announced_change_is_followed_member_by_member(ops: Client, prices: Prices) -> None:
    member = make_member(prices[0])
    change = make_change(prices)
    do(signed_in(make_user(is_staff=True, is_superuser=True)), change, "announce")

    listed = ops.get(page(change, "moves"))["Location"]
    text = ops.get(listed).content.decode()
    assert str(member.user) in text
    move = PriceMove.objects.get()
    for query in ({"q": member.id}, {"q": member.user.email}, {"status__exact": "waiting"}, {"q": move.id}):
        found = ops.get(reverse("ops:memberships_pricemove_changelist"), query).content.decode()
        assert move.id in found
    assert ops.get(page(move)).status_code == 200
    assert ops.post(page(move), {"status": "agreed"}).status_code == 403


def test_changes_are_listed_and_found(ops: Client, prices: Prices) -> None:
    change = make_change(prices)
    address = reverse("ops:memberships_pricechange_changelist")

    for query in ({}, {"q": change.id}, {"q": prices[0].id}, {"q": "premium"}, {"status__exact": "draft"}):
        assert "$22.99 / month" in ops.get(address, query).content.decode()
    assert "$22.99" not in ops.get(address, {"status__exact": "done"}).content.decode()


def test_whom_a_change_touches_is_exported(ops: Client, prices: Prices) -> None:
    told, leaving = make_member(prices[0]), make_member(prices[0], cancel_at_period_end=True)
    change = make_change(prices)

    address = ops.get(page(change, "export"))["Location"]
    lines = b"".join(ops.get(address).streaming_content).decode().splitlines()

    assert len(lines) == 3
    assert f"{told.id},{told.user_id},active,1," in lines[1]
    assert lines[1].endswith("USD,19.99,22.99,Is told")
    assert leaving.id in lines[2]
    assert lines[2].endswith("Ends with its period")


def test_a_draft_is_withdrawn(ops: Client, prices: Prices) -> None:
    change = make_change(prices)

    do(ops, change, "withdraw")

    change.refresh_from_db()
    assert (change.status, change.ended_at is not None) == ("withdrawn", True)


@pytest.mark.parametrize("name", ["announce", "withdraw"])
def test_only_who_may_announce_does(prices: Prices, name: str) -> None:
    change, reader = make_change(prices), make_user(is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_pricechange"))

    assert signed_in(reader).get(page(change)).status_code == 200
    assert do(signed_in(reader), change, name).status_code in (302, 403)

    change.refresh_from_db()
    assert change.status == "draft"
