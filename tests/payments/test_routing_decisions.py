"""Rules, shares, health and traces: where a payment goes, and that its trace alone says so."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from merchants.models import Merchant
from paycore.fresh import forget_everything
from paycore.identifiers import new_id
from paycore.money import Money
from payments.errors import MethodNotAvailable
from payments.orders.models import Payment
from payments.routing import probes, services
from payments.routing.models import GatewayAccount, GatewayFee, GatewayQuota, QuotaUse, RoutingRule, RoutingRuleSet
from payments.routing.rule_sets import (
    Draft,
    activate,
    create_draft,
)
from payments.routing.services import Route, RouteQuestion, available_methods, choose_accounts, replay
from tests.actors import MerchantServer
from tests.merchants.factories import make_merchant, make_user
from tests.payments.test_routing import make_account

pytestmark = pytest.mark.django_db


def route(merchant: Merchant, *, minor: int = 1_000, currency: str = "USD", method: str = "card", **more: Any) -> Route:
    return choose_accounts(RouteQuestion(merchant.id, Money(minor, currency), method, **more))


def names(chosen: Route) -> list[str]:
    return [account.name for account in chosen.accounts]


def reasons(chosen: Route) -> dict[str, str]:
    known = GatewayAccount.objects.in_bulk([entry["account"] for entry in chosen.trace["candidates"]])
    return {known[entry["account"]].name: entry["excluded"] for entry in chosen.trace["candidates"]}


def rules(*made: dict[str, Any], merchant: Merchant | None = None, time_zone: str = "UTC") -> RoutingRuleSet:
    """Active at once, by two people."""
    draft = create_draft(
        Draft(author_id=make_user().id, merchant_id=merchant.id if merchant else None, time_zone=time_zone)
    )
    for position, fields in enumerate(made):
        rule = RoutingRule(rule_set=draft, position=position, name=f"rule {position}", **fields)
        rule.full_clean(exclude=["rule_set"])
        rule.save()
    return activate(draft.id, by_id=make_user().id)


def ids(*accounts: GatewayAccount) -> list[str]:
    return [account.id for account in accounts]


# Rules


def test_preferred_accounts_come_first_in_the_rules_order(merchant: Merchant) -> None:
    a, b, c = make_account("a"), make_account("b", fee_basis_points=100), make_account("c", fee_basis_points=200)
    assert names(route(merchant)) == ["a", "b", "c"]
    made = rules({"kind": "prefer", "accounts": ids(c, b), "min_amount_minor": 1_000})

    preferred = route(merchant)
    assert names(preferred) == ["c", "b", "a"]
    assert preferred.trace["rules"][0]["rule_set"] == made.id
    assert preferred.trace["rules"][0]["version"] == 1
    assert names(route(merchant, minor=999)) == ["a", "b", "c"]
    assert a.id in str(preferred.trace)


@pytest.mark.parametrize(
    ("condition", "fits", "does_not"),
    [
        ({"methods": ["card"]}, {}, {"method": "sandbox_qr"}),
        ({"currencies": ["USD", "JPY"]}, {}, {"currency": "EUR"}),
        ({"countries": ["DE"]}, {"country": "DE"}, {"country": "FR"}),
        ({"countries": ["DE"]}, {"country": "DE"}, {"country": ""}),
        ({"min_amount_minor": 1_000}, {"minor": 1_000}, {"minor": 999}),
        ({"max_amount_minor": 1_000}, {"minor": 1_000}, {"minor": 1_001}),
    ],
)
def test_each_condition_is_looked_at(
    merchant: Merchant, condition: dict[str, Any], fits: dict[str, Any], does_not: dict[str, Any]
) -> None:
    make_account("usual", methods=["card", "sandbox_qr"])
    other = make_account("other", methods=["card", "sandbox_qr"], fee_basis_points=500)
    rules({"kind": "prefer", "accounts": ids(other), **condition})
    assert names(route(merchant, **fits))[0] == "other"
    assert names(route(merchant, **does_not))[0] == "usual"


def test_a_rule_for_certain_merchants_is_about_them_only(merchant: Merchant) -> None:
    make_account("usual")
    other = make_account("other", fee_basis_points=500)
    rules({"kind": "prefer", "accounts": ids(other), "merchants": [merchant.id]})
    assert names(route(merchant))[0] == "other"
    assert names(route(make_merchant()))[0] == "usual"


@pytest.mark.parametrize(
    ("moment", "first"),
    [
        ("2026-11-20T13:59:59", "usual"),
        ("2026-11-20T14:00:00", "night"),  # Friday 22:00 in Shanghai
        ("2026-11-20T21:59:59", "night"),  # Saturday 05:59 there belongs to Friday's night
        ("2026-11-20T22:00:00", "usual"),
        ("2026-11-21T14:00:00", "usual"),
    ],
)
def test_hours_are_of_the_rule_sets_time_zone_and_a_night_belongs_to_its_evening(
    merchant: Merchant, moment: str, first: str
) -> None:
    make_account("usual")
    night = make_account("night", fee_basis_points=500)
    rules(
        {"kind": "prefer", "accounts": ids(night), "weekdays": [4], "from_hour": 22, "to_hour": 6},
        time_zone="Asia/Shanghai",
    )
    with time_machine.travel(datetime.fromisoformat(moment).replace(tzinfo=UTC), tick=False):
        assert names(route(merchant))[0] == first


def test_the_first_match_of_each_kind_counts(merchant: Merchant) -> None:
    a, b, c = make_account("a"), make_account("b"), make_account("c")
    rules(
        {"kind": "prefer", "accounts": ids(b)},
        {"kind": "prefer", "accounts": ids(c)},
        {"kind": "exclude", "accounts": ids(c)},
        {"kind": "exclude", "accounts": ids(a, b)},
    )
    chosen = route(merchant)
    assert names(chosen) == ["b", "a"]
    assert reasons(chosen) == {"a": "", "b": "", "c": "rule"}


def test_a_merchants_word_on_order_stands_before_the_platforms_but_what_either_leaves_out_is_out(
    merchant: Merchant,
) -> None:
    a, b, c = make_account("a"), make_account("b"), make_account("c")
    rules({"kind": "split", "accounts": ids(a), "weights": [100]}, {"kind": "exclude", "accounts": ids(b)})
    assert names(route(merchant)) == ["a", "c"]
    rules({"kind": "prefer", "accounts": ids(c, b)}, merchant=merchant)
    assert names(route(merchant)) == ["c", "a"]
    assert names(route(make_merchant())) == ["a", "c"]


def test_shares_are_kept_within_tolerance_and_a_repeat_goes_the_same_way(merchant: Merchant) -> None:
    a, b, c = make_account("a"), make_account("b"), make_account("c")
    rules({"kind": "split", "accounts": ids(a, b, c), "weights": [70, 20, 10]})
    orders = [new_id("ord") for _ in range(3_000)]
    first = {order: names(route(merchant, subject=order))[0] for order in orders}
    shares = Counter(first.values())
    assert abs(shares["a"] - 2_100) < 150
    assert abs(shares["b"] - 600) < 100
    assert abs(shares["c"] - 300) < 75
    assert all(names(route(merchant, subject=order))[0] == first[order] for order in orders[:200])

    GatewayAccount.objects.filter(id=c.id).update(is_enabled=False)
    services.forget_accounts()
    moved = [order for order in orders if names(route(merchant, subject=order))[0] != first[order]]
    assert {first[order] for order in moved} == {"c"}, "only the share of the one that dropped out moves"


def test_where_the_rules_leave_nobody_the_method_is_not_available(merchant: Merchant) -> None:
    only = make_account("only")
    rules({"kind": "exclude", "accounts": ids(only)})
    with pytest.raises(MethodNotAvailable):
        route(merchant)
    assert available_methods(merchant_id=merchant.id, amount=Money(1_000, "USD")) == []


def test_a_saved_method_goes_to_its_own_account(merchant: Merchant) -> None:
    make_account("cheap")
    home = make_account("home", fee_basis_points=300)
    chosen = route(merchant, only_account_id=home.id)
    assert names(chosen) == ["home"]
    assert reasons(chosen)["cheap"] == "other_account"


def test_a_payer_from_elsewhere_is_not_sent_to_an_account_that_does_not_take_them(merchant: Merchant) -> None:
    make_account("europe", countries=["DE", "FR"])
    make_account("world", fee_basis_points=400)
    assert names(route(merchant, country="DE")) == ["europe", "world"]
    assert names(route(merchant, country="US")) == ["world"]
    assert names(route(merchant)) == ["europe", "world"]


# Fees


def test_the_most_precise_rate_holds(merchant: Merchant) -> None:
    account = make_account("one", methods=["card", "sandbox_qr"], fee_basis_points=300)
    GatewayFee.objects.create(account=account, basis_points=250)
    GatewayFee.objects.create(account=account, method="card", basis_points=200)
    GatewayFee.objects.create(account=account, method="card", countries=["DE"], basis_points=100)
    GatewayFee.objects.create(account=account, method="card", currency="USD", basis_points=150, fixed_minor=7)
    later = datetime.now(UTC) + timedelta(days=1)
    GatewayFee.objects.create(account=account, method="card", currency="USD", basis_points=1, effective_from=later)
    services.forget_accounts()

    def fee(**question: Any) -> int:
        fee_minor: int = route(merchant, minor=10_000, **question).trace["candidates"][0]["expected_fee_minor"]
        return fee_minor

    assert fee(method="sandbox_qr") == 250
    assert fee(currency="EUR") == 200
    assert fee(currency="EUR", country="DE") == 100
    assert fee() == 157
    known = services.get_account(account.id)
    assert known is not None
    assert known.expected_fee(Money(10_000, "EUR"), method="card", country="DE").minor == 100
    assert account.expected_fee(Money(10_000, "EUR")).minor == 300


def test_a_rate_by_volume_holds_from_that_volume_of_the_month_on(merchant: Merchant) -> None:
    account = make_account("one", fee_basis_points=300)
    quota = GatewayQuota.objects.create(account=account, currency="USD", period="month")
    GatewayFee.objects.create(account=account, currency="USD", basis_points=200, from_volume_minor=50_000)
    today = datetime.now(UTC).date()
    use = QuotaUse.objects.create(quota=quota, period_start=today.replace(day=1), amount_minor=49_999, payments=1)
    services.forget_accounts()
    assert route(merchant, minor=10_000).trace["candidates"][0]["expected_fee_minor"] == 300
    use.amount_minor = 50_000
    use.save()
    services.forget_accounts()
    assert route(merchant, minor=10_000).trace["candidates"][0]["expected_fee_minor"] == 200


# Health


def past(account: GatewayAccount, merchant_server: MerchantServer, *results: str) -> None:
    """Payments of the last minutes, the oldest first, that ended so: a status or a failure code."""
    order_id = merchant_server.create_order()["id"]
    began = datetime.now(UTC) - timedelta(seconds=len(results) + 1)
    with connection.cursor() as cursor:
        # What an attempt may follow is not the matter here: one order has them all.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for number, result in enumerate(results):
            status = result if result in Payment.Status.values else "failed"
            with time_machine.travel(began + timedelta(seconds=number)):
                payment_id = new_id("pay")
            Payment.objects.bulk_create([
                Payment(
                    id=payment_id, order_id=order_id, gateway_account=account, method="card", currency="USD",
                    amount_minor=1_000, status=status, failure_code="" if status == result else result,
                    is_surplus=True, created_at=began + timedelta(seconds=number),
                    updated_at=began + timedelta(seconds=number),
                )
            ])  # fmt: skip
        cursor.execute("SET LOCAL session_replication_role = origin")
    forget_everything()


def test_three_technical_failures_take_an_account_out_until_one_payment_may_try_it(
    merchant: Merchant, merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap = make_account("cheap")
    make_account("dear", fee_basis_points=300)
    past(cheap, merchant_server, "succeeded", "gateway_unavailable", "gateway_unavailable")
    assert names(route(merchant)) == ["cheap", "dear"]
    past(cheap, merchant_server, "gateway_unavailable", "processing_error", "gateway_unavailable")

    ill = route(merchant)
    assert names(ill) == ["dear"]
    assert reasons(ill) == {"cheap": "circuit_open", "dear": ""}

    asked: list[str] = []
    monkeypatch.setattr(
        services, "may_probe", lambda account_id, method: not asked.append(account_id) and len(asked) == 1
    )
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        forget_everything()
        tried, other = route(merchant), route(merchant)
    assert names(tried) == ["cheap", "dear"]
    assert names(other) == ["dear"]
    assert [entry.get("breaker") for entry in tried.trace["candidates"]] == ["probe", None]


def test_showing_what_could_take_a_payment_is_no_attempt_and_uses_up_no_probe(
    merchant: Merchant, merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages ask every few seconds: the payment that may try a half-open account is none of them."""
    cheap = make_account("cheap")
    past(cheap, merchant_server, *["gateway_unavailable"] * 3)
    asked: list[str] = []
    monkeypatch.setattr(services, "may_probe", lambda account_id, method: bool(asked.append(account_id)) or True)
    monkeypatch.setattr(services, "note_attempt", lambda: asked.append("an attempt"))
    question = RouteQuestion(merchant.id, Money(1_000, "USD"), "card", only_account_id=cheap.id)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        forget_everything()
        assert services.can_be_taken(question)
        assert not services.can_be_taken(replace(question, only_account_id="gwa_none"))
        assert not asked
        assert names(choose_accounts(question)) == ["cheap"]
    assert asked == ["an attempt", cheap.id]


def test_payments_that_were_held_before_they_were_sent_are_no_outage(
    merchant: Merchant, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    """Created a while ago, on their way for a second: nobody has left anything unanswered."""
    make_account("other", fee_basis_points=900)
    for _number in range(3):
        merchant_server.pay(merchant_server.create_order()["id"], scenario="timeout_after_effect")
    now = datetime.now(UTC)
    Payment.objects.update(created_at=now - timedelta(seconds=30))
    forget_everything()
    assert names(route(merchant)) == ["other"]
    Payment.objects.update(held_until=now)
    forget_everything()
    assert names(route(merchant)) == [account.name, "other"]


def test_where_all_are_ill_they_are_tried_all_the_same(merchant: Merchant, merchant_server: MerchantServer) -> None:
    a, b = make_account("a"), make_account("b", fee_basis_points=100)
    for account in (a, b):
        past(account, merchant_server, *["gateway_unavailable"] * 3)
    chosen = route(merchant)
    assert names(chosen) == ["a", "b"]
    assert reasons(chosen) == {"a": "circuit_open", "b": "circuit_open"}
    assert available_methods(merchant_id=merchant.id, amount=Money(1_000, "USD")) == ["card"]


def test_declines_move_an_account_back_and_are_shown_with_their_number(
    merchant: Merchant, merchant_server: MerchantServer
) -> None:
    bad = make_account("bad")
    make_account("good", fee_basis_points=20)
    assert names(route(merchant)) == ["bad", "good"]
    past(bad, merchant_server, *["card_declined"] * 40)
    chosen = route(merchant)
    assert names(chosen) == ["good", "bad"]
    entry = chosen.trace["candidates"][0]
    assert entry["samples"] == 40
    assert entry["success_per_mille"] < 500


def test_one_payment_in_all_processes_tries_a_half_open_account(redis_client: Any) -> None:
    account_id = new_id("gwa")
    assert probes.may_probe(account_id, "card")
    assert not probes.may_probe(account_id, "card")
    assert probes.may_probe(account_id, "sandbox_qr")


def test_without_redis_one_payment_of_the_process_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: Any, **_options: Any) -> Any:
        raise probes.RedisAway

    monkeypatch.setattr("paycore.quick_redis.QuickRedis.run", away)
    account_id = new_id("gwa")
    assert [probes.may_probe(account_id, "card") for _ in range(3)] == [True, False, False]


# Traces


def test_a_trace_alone_leads_to_the_same_choice(merchant: Merchant, merchant_server: MerchantServer) -> None:
    made = [
        make_account(f"account {n}", fee_basis_points=(n * 37) % 300, priority=10 + n % 2, fee_fixed_minor=n)
        for n in range(8)
    ]
    make_account("own", merchant=merchant, fee_basis_points=400)
    past(made[1], merchant_server, *["card_declined", "succeeded"] * 10)
    past(made[2], merchant_server, *["gateway_unavailable"] * 4)
    plain = [route(merchant, subject=new_id("ord"), minor=minor) for minor in (100, 5_000, 900_000)]
    rules(
        {"kind": "exclude", "accounts": ids(made[0])},
        {"kind": "prefer", "accounts": ids(made[5], made[3])},
        {"kind": "split", "accounts": ids(made[4], made[6]), "weights": [50, 50]},
    )
    ruled = [route(merchant, subject=new_id("ord"), minor=minor) for minor in (100, 5_000, 900_000) for _ in range(20)]
    for chosen in [*plain, *ruled]:
        kept = json.loads(json.dumps(chosen.trace))
        assert replay(kept) == [account.id for account in chosen.accounts] == kept["chosen"]
    assert len({chosen.accounts[0].id for chosen in ruled}) == 2

    other = json.loads(json.dumps(plain[0].trace))
    for entry in other["candidates"]:
        entry["expected_fee_minor"] = 100 - entry["expected_fee_minor"]
        entry["priority"] = 1
    assert replay(other) != other["chosen"], "the order comes from the facts, not from the list of the chosen"


def test_the_payments_own_trace_reproduces_its_account(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    payment_id = merchant_server.pay(merchant_server.create_order()["id"]).json()["id"]
    payment = Payment.objects.get(id=payment_id)
    assert replay(payment.routing)[0] == payment.gateway_account_id == payment.routing["account"]


def test_the_same_question_has_the_same_fingerprint_and_another_has_another(merchant: Merchant) -> None:
    make_account("one")
    first, again = route(merchant, subject="ord_1"), route(merchant, subject="ord_1")
    assert first.trace["inputs"] == again.trace["inputs"]
    assert route(merchant, subject="ord_2").trace["inputs"] != first.trace["inputs"]
    make_account("two")
    assert route(merchant, subject="ord_1").trace["inputs"] != first.trace["inputs"]


def test_nothing_is_asked_of_the_database_while_nothing_changed(merchant: Merchant, queries_made: list[str]) -> None:
    make_account("one")
    route(merchant)
    queries_made.clear()
    for _ in range(20):
        route(merchant)
    assert queries_made == []


def test_after_two_seconds_one_small_query_finds_that_nothing_changed(
    merchant: Merchant, queries_made: list[str]
) -> None:
    make_account("one")
    route(merchant)
    forget_everything()
    queries_made.clear()
    route(merchant)
    assert len(queries_made) == 3  # the version; the newest payments; what was taken of limits
    assert not any("credentials" in sql for sql in queries_made)
