"""Callbacks and the outbox, killed at each of their commits: stored once, handled once, and a poison message stops."""

from typing import Any

import pytest

from accounts.models import User
from memberships.models import Invoice, Period, Plan, PlanVersion, Price, SubscriptionChange, Tier
from memberships.subscriptions.starting import StartDraft, subscribe
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.models import EventRecord, Notification, OutboxMessage
from paycore.outbox import MAX_ATTEMPTS
from paycore.tasks import drain_outbox
from payments.gateways.sandbox.provider.core import OutgoingNotice
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Evidence, Order
from payments.webhooks.models import WebhookReceipt
from tests.faults.cuts import CUTS
from tests.faults.grid import new_order
from tests.faults.web import post_callback
from tests.faults.world import World


def approved_callback(world: World) -> tuple[Order, OutgoingNotice]:
    """The payer has approved; the provider wants to tell."""
    order = new_order(world.server)
    payment_id = world.server.pay(order.id, scenario="require_action").json()["id"]
    world.deliver()
    world.workers_pass()
    world.provider.approve(payment_id)
    [callback] = world.callbacks()
    return order, callback


def callback_job(callback: OutgoingNotice, *, cut: str) -> dict[str, Any]:
    url, headers, body = callback
    return {"kind": "callback", "cut": cut, "callbacks": [[url, headers, body.decode()]]}


@pytest.mark.parametrize("cut", CUTS["callback"])
def test_a_callback_whose_receiver_is_killed_is_stored_and_processed_once(world: World, cut: str) -> None:
    order, callback = approved_callback(world)
    before = WebhookReceipt.objects.count()

    world.doomed.die_doing(callback_job(callback, cut=cut))
    was_stored = WebhookReceipt.objects.count() - before
    statuses = [post_callback(callback), post_callback(callback)]
    world.workers_pass()

    assert statuses == [200, 200]
    assert was_stored == (cut == "after_store")
    assert WebhookReceipt.objects.count() == before + 1
    payment = order.payments.get()
    assert Evidence.objects.filter(object_id=payment.id, source="webhook", outcome="succeeded").count() == 1
    assert world.judge(order.id).status == "paid"
    world.verdict()


def unpaid_membership(world: World) -> Order:
    """An order of the platform's for a plan that nobody else buys."""
    platform = Merchant.objects.filter(is_platform=True).first()
    platform or Merchant.objects.create(name="Paycore", country="US", status="approved", is_platform=True)
    count = Tier.objects.count() + 1
    tier = Tier.objects.create(code=f"tier-{count}", name_en="Premium", name_zh="高级", rank=count)
    plan = Plan.objects.create(code=f"plan-{count}", name_en="Premium", name_zh="高级", tier=tier)
    PlanVersion.objects.create(plan=plan, number=1)
    price = Price.objects.create(plan=plan, currency="USD", amount_minor=1500)
    user = User.objects.create(email=f"ada{count}@example.com")
    started = subscribe(StartDraft(user, price.id), now=database_now())
    return Order.objects.get(id=str(started.invoice and started.invoice.order_id))


def paid_membership(world: World) -> Order:
    order = unpaid_membership(world)
    world.workers_pass()
    pay_order(order, PayInstruction(method="card", options={"sandbox": {"scenario": "approve+no_callback"}}))
    return Order.objects.get(id=order.id)


def effects_of(order: Order) -> dict[str, int]:
    """``messages``: what the payer is told of the money."""
    invoice = Invoice.objects.get(order=order)
    about = (order.id, invoice.id, invoice.number)
    keys = [key for key in Notification.objects.values_list("key", flat=True) if any(one in key for one in about)]
    started = SubscriptionChange.objects.filter(subscription=invoice.subscription, kind="started")
    told = EventRecord.objects.filter(
        name="membership.changed", object_id=invoice.subscription_id, payload__why="started"
    )
    periods = Period.objects.filter(invoice=invoice)
    return {
        "periods": periods.count(), "started": started.count(), "told": told.count(), "messages": len(keys),
    }  # fmt: skip


@pytest.mark.parametrize("cut", CUTS["drain"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_handler_whose_process_is_killed_has_its_effect_once(world: World, cut: str, nth: int) -> None:
    """``nth``: which of the messages it dies on (two handlers want to know of a paid order)."""
    order = paid_membership(world)

    job = {"kind": "drain", "cut": cut, "nth": nth if cut != "after_claim" else 1}
    world.doomed.die_doing(job)
    world.workers_pass()
    partly = effects_of(order)
    world.time_passes()
    world.workers_pass()

    assert partly["periods"] <= 1
    assert effects_of(order) == {"periods": 1, "started": 1, "told": 1, "messages": 1}
    world.judge(order.id)
    world.verdict()


def test_a_message_that_kills_its_process_is_put_aside_after_five_attempts(world: World) -> None:
    order = paid_membership(world)
    first = OutboxMessage.objects.filter(status="pending").earliest("id")

    for _attempt in range(MAX_ATTEMPTS):
        world.doomed.die_doing({"kind": "drain", "cut": "before_handler"})
        world.time_passes()
    world.workers_pass()
    world.time_passes()
    drain_outbox()

    first.refresh_from_db()
    assert (first.status, first.attempts) == ("quarantined", MAX_ATTEMPTS)
    healthy = OutboxMessage.objects.filter(event=first.event).exclude(id=first.id)
    assert {message.status for message in healthy} <= {"done", "quarantined"}
    OutboxMessage.objects.filter(status="quarantined").update(
        status="pending", attempts=0, next_attempt_at=first.event.occurred_at
    )
    drain_outbox()
    assert effects_of(order)["periods"] == 1
    world.judge(order.id)
    world.verdict()
