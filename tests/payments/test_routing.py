"""Which account may take a payment, in which order, and why not the others."""

from typing import Any

import pytest

from merchants.models import Merchant
from paycore.money import Money
from payments.errors import MethodNotAvailable
from payments.routing.models import GatewayAccount
from payments.routing.services import RouteQuestion, available_methods, choose_accounts, forget_accounts, get_account
from tests.merchants.factories import make_merchant

pytestmark = pytest.mark.django_db


def make_account(name: str, **fields: Any) -> GatewayAccount:
    defaults = {"gateway": "sandbox", "base_url": "inprocess://x", "credentials": {"secret": "s"}, "methods": ["card"]}
    account = GatewayAccount.objects.create(name=name, **{**defaults, **fields})
    forget_accounts()
    return account


def chosen(merchant: Merchant, *, minor: int = 1_000, currency: str = "USD", method: str = "card") -> list[str]:
    route = choose_accounts(RouteQuestion(merchant.id, Money(minor, currency), method))
    return [account.name for account in route.accounts]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_enabled": False}, "disabled"),
        ({"methods": ["sandbox_qr"]}, "method"),
        ({"currencies": ["EUR", "JPY"]}, "currency"),
        ({"gateway": "wechat"}, "currency"),  # whatever the account says, WeChat takes CNY only
        ({"min_amount_minor": 1_001}, "below_minimum"),
        ({"max_amount_minor": 999}, "above_maximum"),
    ],
)
def test_an_account_that_cannot_take_it_is_left_out_with_its_reason(
    merchant: Merchant, fields: dict[str, Any], reason: str
) -> None:
    good, bad = make_account("good"), make_account("bad", **fields)

    route = choose_accounts(RouteQuestion(merchant.id, Money(1_000, "USD"), "card"))

    assert route.accounts == (good,)
    reasons = {candidate["account"]: candidate["excluded"] for candidate in route.trace["candidates"]}
    assert reasons == {good.id: "", bad.id: reason}
    assert route.trace["chosen"] == [good.id]


def test_bounds_include_their_ends(merchant: Merchant) -> None:
    make_account("exact", min_amount_minor=1_000, max_amount_minor=1_000)
    assert chosen(merchant) == ["exact"]


def test_own_accounts_come_first_then_priority_then_the_cheapest(merchant: Merchant) -> None:
    make_account("cheap", priority=50, fee_basis_points=10)
    make_account("dear", priority=50, fee_basis_points=300)
    make_account("first", priority=1, fee_basis_points=900)
    make_account("own", priority=900, fee_basis_points=900, merchant=merchant)
    assert chosen(merchant) == ["own", "first", "cheap", "dear"]


def test_the_cheapest_depends_on_the_amount(merchant: Merchant) -> None:
    make_account("share", fee_basis_points=300)
    make_account("fixed", fee_fixed_minor=100)
    assert chosen(merchant, minor=1_000)[0] == "share"
    assert chosen(merchant, minor=10_000)[0] == "fixed"


def test_another_merchants_account_is_not_even_a_candidate(merchant: Merchant) -> None:
    theirs = make_account("theirs", merchant=make_merchant())
    make_account("everybody's")
    route = choose_accounts(RouteQuestion(merchant.id, Money(1, "USD"), "card"))
    assert theirs.id not in str(route.trace)


def test_where_nobody_can_the_method_is_not_available(merchant: Merchant) -> None:
    make_account("euros", currencies=["EUR"])
    with pytest.raises(MethodNotAvailable) as refused:
        chosen(merchant)
    assert refused.value.extra == {"method": "card", "currency": "USD"}


def test_methods_on_offer_are_those_that_can_be_paid_with(merchant: Merchant) -> None:
    make_account("second", priority=2, methods=["sandbox_qr", "card"])
    make_account("first", priority=1, methods=["card", "sandbox_redirect"], max_amount_minor=5_000)
    make_account("theirs", methods=["theirs"], merchant=make_merchant())

    assert available_methods(merchant_id=merchant.id, amount=Money(1_000, "USD")) == [
        "card", "sandbox_redirect", "sandbox_qr",
    ]  # fmt: skip
    assert available_methods(merchant_id=merchant.id, amount=Money(9_000, "USD")) == ["sandbox_qr", "card"]


def test_an_account_that_was_disabled_still_answers_for_its_payments(db: None) -> None:
    account = make_account("old", is_enabled=False)
    assert get_account(account.id) == account
    assert get_account("gwa_nowhere") is None


@pytest.mark.parametrize(
    ("minor", "fee"), [(10_000, 320), (1_000, 59), (30, 30), (1, 1), (500, 45), (501, 45), (518, 45)]
)
def test_the_expected_fee_is_the_share_half_up_and_the_fixed_part_and_never_more_than_the_amount(
    minor: int, fee: int
) -> None:
    account = GatewayAccount(fee_basis_points=290, fee_fixed_minor=30)
    assert account.expected_fee(Money(minor, "USD")).minor == fee
