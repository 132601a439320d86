"""Workers take their share of what is due, leased, and no more, by whatever plan PostgreSQL chooses."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models
from django.db.models.functions import Now

from payments.orders.captures import due_captures
from payments.orders.models import Capture, Order, Payment, Refund
from payments.orders.refunds import due_refunds
from payments.orders.services import due_orders
from payments.orders.syncing import due_payments
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer

pytestmark = pytest.mark.django_db

Claim = Callable[..., list[str]]


def make_payment(merchant: MerchantServer) -> None:
    merchant.pay(merchant.create_order()["id"], scenario="timeout_after_effect")


def make_refund(merchant: MerchantServer) -> None:
    merchant.post("/refunds", {"payment": merchant.paid_order()[1]["id"], "reason": "x", "amount_minor": 1})


def make_capture(merchant: MerchantServer) -> None:
    held = merchant.pay(
        merchant.create_order(capture_method="manual")["id"], scenario="approve+capture_timeout_before_effect(9)"
    ).json()
    merchant.post(f"/payments/{held['id']}/capture", {})


@pytest.mark.parametrize(
    ("claim", "model", "make"),
    [
        (due_orders, Order, MerchantServer.create_order),
        (due_payments, Payment, make_payment),
        (due_refunds, Refund, make_refund),
        (due_captures, Capture, make_capture),
    ],
    ids=["orders", "payments", "refunds", "captures"],
)
def test_a_claim_keeps_its_limit_and_leases_what_it_takes(
    merchant_server: MerchantServer, account: GatewayAccount, claim: Claim, model: type[models.Model], make: Any
) -> None:
    """A joined sub-query with LIMIT may be run again for each outer row, and claims more each time. The planner does
    that where its statistics say that the table is almost empty."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {model._meta.db_table}")
        for name in ("enable_hashjoin", "enable_mergejoin", "enable_material"):
            cursor.execute(f"SET LOCAL {name} = off")
    for _row in range(4):
        make(merchant_server)
    due = model._default_manager.filter(next_attempt_at__isnull=False)
    assert due.count() == 4
    due.update(next_attempt_at=Now())

    shares = [claim(limit=2), claim(limit=2), claim(limit=2)]

    assert [len(share) for share in shares] == [2, 2, 0]
    assert len({object_id for share in shares for object_id in share}) == 4
