"""Limits of gateway accounts: taken with the payment, given back once when it comes to nothing, taken again when it
takes money after all."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import Error, connection, transaction

from paycore.database import call_function
from paycore.identifiers import new_id
from payments.gateways.contract import Outcome, PaymentResult
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Payment
from payments.routing.models import GatewayAccount, GatewayQuota, QuotaTake, QuotaUse
from payments.routing.quotas import settle_quotas
from payments.routing.services import forget_accounts
from tests.actors import MerchantServer, run_background
from tests.payments.test_routing import make_account

pytestmark = pytest.mark.django_db


def limit(account: GatewayAccount, **fields: Any) -> GatewayQuota:
    made = GatewayQuota.objects.create(**{"account": account, "currency": "USD", "period": "day", **fields})
    forget_accounts()
    return made


def used(quota: GatewayQuota) -> tuple[int, int]:
    """Minor units and payments."""
    found = QuotaUse.objects.filter(quota=quota).first()
    return (found.amount_minor, found.payments) if found else (0, 0)


def pay(server: MerchantServer, *, minor: int = 1_000, **more: Any) -> Any:
    return server.pay(server.create_order(amount_minor=minor)["id"], **more)


def test_a_payment_takes_its_amount_and_the_next_one_that_would_pass_the_limit_goes_elsewhere(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    quota = limit(account, max_amount_minor=2_500)
    assert pay(merchant_server).status_code == 201
    assert pay(merchant_server).status_code == 201
    forget_accounts()
    refused = pay(merchant_server)
    assert (refused.status_code, refused.json()["code"]) == (422, "method_not_available")
    assert used(quota) == (2_000, 2)
    assert pay(merchant_server, minor=500).status_code == 201
    assert used(quota) == (2_500, 3)

    second = make_account("second", base_url=account.base_url, credentials=account.credentials, priority=900)
    made = pay(merchant_server).json()
    assert Payment.objects.get(id=made["id"]).gateway_account_id == second.id


def test_a_limit_that_was_used_up_since_it_was_looked_at_passes_the_payment_on_to_the_next_account(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    quota = limit(account, max_count=1)
    second = make_account("second", base_url=account.base_url, credentials=account.credentials, priority=900)
    first = pay(merchant_server).json()  # what this process remembers says that one is left
    other = pay(merchant_server).json()
    assert Payment.objects.get(id=first["id"]).gateway_account_id == account.id
    assert Payment.objects.get(id=other["id"]).gateway_account_id == second.id
    assert used(quota) == (1_000, 1)
    assert not QuotaTake.objects.filter(payment_id=other["id"]).exists()


def test_limits_of_other_currencies_and_those_without_a_bound_only_count(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    euros = limit(account, currency="EUR", max_count=0)
    counted = limit(account, period="month")
    assert pay(merchant_server).status_code == 201
    assert used(euros) == (0, 0)
    assert used(counted) == (1_000, 1)


@pytest.mark.parametrize("scenario", ["decline_no_funds", "decline"])
def test_a_failed_payment_gives_back_what_it_took_once(
    merchant_server: MerchantServer, account: GatewayAccount, scenario: str
) -> None:
    quota = limit(account, max_count=10)
    failed = pay(merchant_server, scenario=scenario).json()
    assert failed["status"] == "failed"
    assert used(quota) == (1_000, 1)
    run_background()
    assert used(quota) == (0, 0)
    assert settle_quotas(failed["id"], is_given_back=True) == 0
    assert used(quota) == (0, 0)


def test_a_canceled_payment_gives_back_what_it_took(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    quota = limit(account, max_count=10)
    order = merchant_server.create_order(amount_minor=1_000)
    merchant_server.pay(order["id"], method="sandbox_qr", scenario="require_action")
    assert used(quota) == (1_000, 1)
    assert merchant_server.post(f"/orders/{order['id']}/cancel").status_code == 200
    run_background()
    assert used(quota) == (0, 0)


def test_a_late_success_takes_again_even_beyond_the_limit(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    quota = limit(account, max_count=1)
    failed = pay(merchant_server, scenario="decline").json()
    run_background()
    forget_accounts()
    assert pay(merchant_server).status_code == 201
    assert used(quota) == (1_000, 1)

    record_payment_result(failed["id"], PaymentResult(failed["id"], Outcome.SUCCEEDED), source=Evidence.Source.OPERATOR)
    run_background()
    assert used(quota) == (2_000, 2)


def test_news_in_the_wrong_order_ends_in_the_same_state(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    quota = limit(account, max_count=10)
    failed = pay(merchant_server, scenario="decline").json()
    record_payment_result(failed["id"], PaymentResult(failed["id"], Outcome.SUCCEEDED), source=Evidence.Source.OPERATOR)
    run_background()  # the news of the failure and of the success, both now
    assert used(quota) == (1_000, 1)


def test_a_refused_payment_leaves_nothing_of_a_limit(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    first, second = limit(account, max_count=5), limit(account, period="month", max_amount_minor=10)
    with pytest.raises(Error, match="quota_used_up") as refused, transaction.atomic():
        take("pay_x", first, second)
    assert getattr(refused.value.__cause__, "pgcode", None) == "PC011"
    assert used(first) == used(second) == (0, 0)
    assert not QuotaTake.objects.exists()


def take(payment_id: str, *quotas: GatewayQuota, minor: int = 1_000) -> None:
    wanted = ", ".join(f'{{"quota": "{quota.id}", "amount_minor": {minor}}}' for quota in quotas)
    call_function("routing_take_quotas", payment_id, f"[{wanted}]")


@pytest.mark.parametrize(
    ("period", "zone", "moment", "first_day"),
    [
        ("day", "UTC", "2026-11-30T23:59:59", date(2026, 11, 30)),
        ("day", "UTC", "2026-12-01T00:00:00", date(2026, 12, 1)),
        ("day", "Asia/Shanghai", "2026-11-30T15:59:59", date(2026, 11, 30)),
        ("day", "Asia/Shanghai", "2026-11-30T16:00:00", date(2026, 12, 1)),
        ("month", "Asia/Shanghai", "2026-11-30T16:00:00", date(2026, 12, 1)),
        ("month", "America/New_York", "2026-12-01T04:59:59", date(2026, 11, 1)),
        ("day", "America/New_York", "2026-11-01T05:30:00", date(2026, 11, 1)),  # the clock goes back that night
        ("day", "America/New_York", "2026-11-02T04:59:59", date(2026, 11, 1)),
    ],
)
def test_days_and_months_are_those_of_the_accounts_calendar(
    db: None, period: str, zone: str, moment: str, first_day: date
) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert call_function("routing_period_start", period, zone, at) == first_day


def test_what_was_taken_on_one_day_is_given_back_to_that_day(account: GatewayAccount) -> None:
    quota = limit(account, max_count=10)
    payment_id = new_id("pay")
    take(payment_id, quota)
    with connection.cursor() as cursor:  # as if it had been yesterday
        cursor.execute("UPDATE payments_quotatake SET period_start = period_start - 1")
        cursor.execute("UPDATE payments_quotause SET period_start = period_start - 1")
    take(new_id("pay"), quota)
    assert QuotaUse.objects.count() == 2

    settle_quotas(payment_id, is_given_back=True)

    assert [use.payments for use in QuotaUse.objects.order_by("period_start")] == [0, 1]
