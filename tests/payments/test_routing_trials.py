"""A draft tried on the past: in slices, in the console, and by the staff's API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from merchants.models import Merchant
from payments.orders.models import Payment
from payments.routing import trials
from payments.routing.models import GatewayAccount, GatewayQuota, RoutingRule, RoutingTrial
from payments.routing.rule_sets import Draft, create_draft
from payments.routing.services import forget_accounts
from payments.routing.trials import advance_trial, begin_trial, due_trials, progress_percent
from payments.tasks import advance_routing_trials
from tests.actors import MerchantServer
from tests.merchants.factories import make_merchant, make_user
from tests.payments.test_routing import make_account
from tests.payments.test_routing_console import do, ops, staff_who_may, writer
from tests.payments.test_routing_decisions import rules

__all__ = ["ops", "staff_who_may", "writer"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def history(merchant_server: MerchantServer, account: GatewayAccount) -> list[Payment]:
    for number in range(12):
        merchant_server.pay(
            merchant_server.create_order(amount_minor=1_000)["id"], scenario="decline" if number < 2 else "approve"
        )
    return list(Payment.objects.order_by("id"))


def trial_of(*made: dict[str, Any], days: int = 7, merchant: Merchant | None = None) -> RoutingTrial:
    draft = create_draft(Draft(author_id=make_user().id, merchant_id=merchant.id if merchant else None))
    for fields in made:
        RoutingRule.objects.create(rule_set=draft, name="x", **fields)
    return begin_trial(draft, days=days, asked_by_id=make_user().id)


def test_a_trial_says_what_would_go_elsewhere_and_what_that_costs(
    account: GatewayAccount, history: list[Payment]
) -> None:
    cheap = make_account("cheap", fee_basis_points=100, priority=900)
    trial = advance_trial(trial_of({"kind": "prefer", "accounts": [cheap.id]}).id)
    assert (trial.status, trial.looked_at, trial.state["moved"]) == ("done", 12, 12)
    now, draft = trial.state["now"]["accounts"], trial.state["draft"]["accounts"]
    assert set(now) == {account.id}
    assert set(draft) == {cheap.id}
    assert (now[account.id]["payments"], draft[cheap.id]["payments"]) == (12, 12)
    assert (now[account.id]["amounts"], draft[cheap.id]["amounts"]) == ({"USD": 12_000}, {"USD": 12_000})
    assert (now[account.id]["fees"], draft[cheap.id]["fees"]) == ({"USD": 12 * 59}, {"USD": 12 * 10})
    assert now[account.id]["success_per_mille"] != draft[cheap.id]["success_per_mille"]
    assert [payment.gateway_account_id for payment in Payment.objects.all()] == [account.id] * 12


def test_the_active_rules_are_what_a_draft_is_compared_with(account: GatewayAccount, history: list[Payment]) -> None:
    cheap = make_account("cheap", priority=900)
    rules({"kind": "prefer", "accounts": [cheap.id]})
    trial = advance_trial(trial_of().id)
    assert set(trial.state["now"]["accounts"]) == {cheap.id}
    assert set(trial.state["draft"]["accounts"]) == {account.id}


def test_limits_are_counted_anew_and_what_came_to_nothing_takes_nothing(
    account: GatewayAccount, history: list[Payment]
) -> None:
    cheap = make_account("cheap", fee_basis_points=100, priority=900)
    GatewayQuota.objects.create(account=cheap, currency="USD", period="month", max_count=4)
    forget_accounts()
    trial = advance_trial(trial_of({"kind": "prefer", "accounts": [cheap.id]}).id)
    draft = trial.state["draft"]["accounts"]
    assert draft[cheap.id]["payments"] == 2 + 4, "two of them failed"
    assert draft[account.id]["payments"] == 6
    assert draft[cheap.id]["limit_reached"] == 6
    assert trial.state["now"]["accounts"][account.id]["limit_reached"] == 0


def test_a_merchants_draft_is_tried_on_that_merchants_payments(merchant: Merchant, history: list[Payment]) -> None:
    assert advance_trial(trial_of(merchant=make_merchant()).id).looked_at == 0
    assert advance_trial(trial_of(merchant=merchant).id).looked_at == 12


def test_older_payments_than_asked_for_are_left_out(history: list[Payment]) -> None:
    trial = trial_of(days=1)
    RoutingTrial.objects.filter(id=trial.id).update(until=datetime.now(UTC) + timedelta(days=2))
    assert advance_trial(trial.id).looked_at == 0


def test_a_long_history_takes_several_slices_and_comes_to_the_same(
    monkeypatch: pytest.MonkeyPatch, account: GatewayAccount, history: list[Payment]
) -> None:
    cheap = make_account("cheap", fee_basis_points=100, priority=900)
    GatewayQuota.objects.create(account=cheap, currency="USD", period="day", max_amount_minor=5_000)
    forget_accounts()
    rule = {"kind": "prefer", "accounts": [cheap.id]}
    whole = advance_trial(trial_of(rule).id)
    monkeypatch.setattr(trials, "_BATCH", 5)
    sliced = trial_of(rule)
    seen = []
    while sliced.status == "running":
        sliced = advance_trial(sliced.id, seconds=-1)
        seen.append(sliced.looked_at)
    assert seen == [5, 10, 12]
    for side in ("now", "draft"):
        assert sliced.state[side] == whole.state[side]
    assert progress_percent(sliced) == 100


def test_a_worker_takes_over_a_trial_whose_beginner_died(history: list[Payment]) -> None:
    trial = trial_of()
    assert due_trials(limit=5) == [], "it is leased"
    RoutingTrial.objects.filter(id=trial.id).update(next_attempt_at=datetime.now(UTC) - timedelta(seconds=1))
    assert advance_routing_trials() == 1
    trial.refresh_from_db()
    assert (trial.status, trial.looked_at) == ("done", 12)


def test_rules_that_change_under_a_trial_end_it(history: list[Payment], account: GatewayAccount) -> None:
    trial = trial_of({"kind": "prefer", "accounts": [account.id]})
    RoutingRule.objects.update(position=99)
    assert advance_trial(trial.id).status == "failed"


def test_a_trial_in_the_console_shows_both_sides(ops: Client, account: GatewayAccount, history: list[Payment]) -> None:
    cheap = make_account("cheap", fee_basis_points=100, priority=900)
    draft = create_draft(Draft(author_id=make_user().id))
    RoutingRule.objects.create(rule_set=draft, name="x", kind="prefer", accounts=[cheap.id])
    shown = do(ops, draft, "try_out", days="7").content.decode()
    assert "12 of 12 payments would go to another account" in shown
    assert "$120.00 → –" in shown
    assert "– → $1.20" in shown


# The API


def simulate(client: Client, body: dict[str, Any]) -> Any:
    return client.post("/ops/api/routing/simulate", body, content_type="application/json")


def test_a_program_simulates_and_reads_the_result_again(
    ops: Client, account: GatewayAccount, history: list[Payment]
) -> None:
    cheap = make_account("cheap", fee_basis_points=100, priority=900)
    draft = create_draft(Draft(author_id=make_user().id))
    RoutingRule.objects.create(rule_set=draft, name="x", kind="prefer", accounts=[cheap.id])
    answer = simulate(ops, {"rule_set": draft.id, "days": 30})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["status"], said["payments"], said["moved"], said["progress_percent"]) == ("done", 12, 12, 100)
    assert [(one["account"], one["expected_fees"]) for one in said["draft"]["accounts"]] == [(cheap.id, {"USD": 120})]
    assert ops.get(f"/ops/api/routing/simulations/{said['id']}").json() == said


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "validation_failed"),
        ({"rule_set": "rrs_x", "days": 0}, 400, "validation_failed"),
        ({"rule_set": "rrs_x", "days": 91}, 400, "validation_failed"),
        ({"rule_set": "rrs_x", "days": "7"}, 400, "validation_failed"),
        ({"rule_set": "rrs_x", "what": 1}, 400, "validation_failed"),
        ({"rule_set": "rrs_x"}, 404, "not_found"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused_as_a_problem(
    ops: Client, body: dict[str, Any], status: int, code: str
) -> None:
    answer = simulate(ops, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert not RoutingTrial.objects.exists()


def test_only_staff_who_may_can_simulate(
    staff_who_may: Callable[..., Client], merchant_server: MerchantServer, history: list[Payment]
) -> None:
    draft = create_draft(Draft(author_id=make_user().id))
    trial = begin_trial(draft, days=1, asked_by_id=make_user().id)
    nobody = Client()
    customer = Client()
    customer.force_login(make_user())
    lookers = staff_who_may("view_routingruleset")
    for client, expected in ((nobody, {401, 403}), (customer, {403}), (lookers, {403})):
        answer = simulate(client, {"rule_set": draft.id})
        assert answer.status_code in expected
        assert answer["Content-Type"] == "application/problem+json"
        assert client.get(f"/ops/api/routing/simulations/{trial.id}").status_code in expected
    assert RoutingTrial.objects.count() == 1
    assert simulate(staff_who_may("add_routingtrial"), {"rule_set": draft.id}).status_code == 200


def test_a_simulation_from_another_site_is_refused(writer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(writer)
    draft = create_draft(Draft(author_id=make_user().id))
    answer = simulate(client, {"rule_set": draft.id})
    assert answer.status_code == 403
    assert not RoutingTrial.objects.exists()
