"""Payers pay, PostgreSQL is killed again and again, payers repeat what was not answered; then everything is counted."""

import threading
import time
from typing import Any

from django.db import close_old_connections

from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.tasks import drain_outbox
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.ledger.invariants import run_checks
from payments.orders.models import Order, Payment
from payments.routing import connections
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer
from tests.faults import load
from tests.faults.web import new_client, warm_up

REPEATABLE = (409, 500, 502, 503)


def play() -> dict[str, Any]:
    provider = SandboxProvider(secrets=["s"])
    connections.IN_PROCESS["sandbox"] = SandboxTransport(provider)
    merchant = Merchant.objects.create(name="Shop", country="US", status="approved", fee_basis_points=50)
    GatewayAccount.objects.create(
        name="Sandbox",
        gateway="sandbox",
        base_url="inprocess://sandbox",
        credentials={"secret": "s"},
        methods=["card"],
        fee_basis_points=290,
        fee_fixed_minor=30,
    )
    _key, secret = create_api_key(merchant=merchant, name="load", created_by=None)
    warm_up()
    stopping = threading.Event()
    acknowledged: list[str] = []
    statuses: dict[int, int] = {}

    def pay_for_ever(number: int) -> None:
        server = MerchantServer(secret=secret, client=new_client())
        server.client.raise_request_exception = False
        round_number = 0
        while not stopping.is_set():
            round_number += 1
            details = {"currency": "USD", "amount_minor": 1000, "description": "Tea"}
            body = {"order_details": details, "method": "card"}
            acknowledged.append(_until_answered(server, body, key=f"{number}-{round_number}", statuses=statuses))

    threads = load.in_threads(load.PAYERS, pay_for_ever)
    seconds_down = []
    for _kill in range(load.KILLS):
        time.sleep(load.SECONDS_BETWEEN_KILLS)
        load.kill_postgres()
        seconds_down.append(round(load.wait_for_postgres(), 2))
    time.sleep(load.SECONDS_BETWEEN_KILLS)
    stopping.set()
    for thread in threads:
        thread.join(load.PATIENCE_SECONDS)
    return _count(acknowledged, statuses, provider) | {"seconds_down": seconds_down}


def _until_answered(server: MerchantServer, body: dict[str, Any], *, key: str, statuses: dict[int, int]) -> str:
    """As a client should: the same key until there is an answer that is neither 5xx nor "still running"."""
    until = time.monotonic() + load.PATIENCE_SECONDS
    while time.monotonic() < until:
        close_old_connections()  # as a server does before each request; Django's test client does not
        answer = server.post("/payments", body, key=key)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        if answer.status_code not in REPEATABLE:
            return str(answer.json()["id"])
        time.sleep(0.1)
    raise TimeoutError(f"{key} was never answered")


def _count(acknowledged: list[str], statuses: dict[int, int], provider: SandboxProvider) -> dict[str, Any]:
    while drain_outbox():
        pass
    found = dict(Payment.objects.filter(id__in=acknowledged).values_list("id", "status"))
    with provider.book.transaction():
        taken = {row[0] for row in provider.book.rows("SELECT reference FROM txn WHERE taken > 0")}
    succeeded = set(Payment.objects.filter(status="succeeded").values_list("id", flat=True))
    return {
        "acknowledged": len(acknowledged),
        "lost": sorted(set(acknowledged) - set(found)),
        "not_succeeded": sorted(name for name, status in found.items() if status != "succeeded"),
        "orders": Order.objects.count(),
        "taken_but_unknown": _described(taken - succeeded),
        "believed_but_not_taken": sorted(succeeded - taken),
        "invariants": [finding.code for finding in run_checks()],
        "statuses": statuses,
    }


def _described(payment_ids: set[str]) -> list[str]:
    rows = Payment.objects.filter(id__in=payment_ids).values_list("id", "status", "order__status")
    known = {payment_id: f"{status}, order {order_status}" for payment_id, status, order_status in rows}
    return [f"{payment_id}: {known.get(payment_id, 'no row')}" for payment_id in sorted(payment_ids)]
