"""kill -9 of the process that talks to a real gateway's simulator over HTTP: a few of the grid's cells, unsoftened."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from tests.emptying import empty_all_tables
from tests.faults.doomed import GATEWAY_DEADLINE_SECONDS
from tests.faults.programs import Doomed
from tests.faults.provider_grid import PART
from tests.faults.provider_world import ProviderWorld, Sale
from tests.payments.gateways.simulators.serving import serving

METHODS = ("card", "wechat_native", "alipay_qr", "paypal")
PAY_CUTS = ("after_begin", "bytes_sent", "answer_received", "in_apply", "after_apply")
REFUND_CUTS = ("after_mark", "bytes_sent", "answer_received", "in_record")
ASKED_FIRST = {"wechat_native": 2, "paypal": 2}
"""Before its first call a new process asks WeChat for certificates and PayPal for a token."""


@pytest.fixture(scope="module")
def served_shop(shared_database: DjangoDbBlocker) -> Iterator[tuple[ProviderWorld, Doomed]]:
    with ExitStack() as stack, override_settings(PAYCORE_GATEWAY_DEADLINE_SECONDS=4 * GATEWAY_DEADLINE_SECONDS):
        stack.enter_context(shared_database.unblock())
        world = ProviderWorld(address_of=lambda _side, network: stack.enter_context(serving(network)))
        doomed = Doomed()
        try:
            yield world, doomed
        finally:
            doomed.close()
            world.close()
            empty_all_tables()


def job(sale: Sale, kind: str, path: str, body: object, *, cut: str) -> dict[str, object]:
    nth = ASKED_FIRST.get(sale.method, 1) if cut == "bytes_sent" else 1
    secret = sale.world.server.secret
    key = f"{path}-{sale.order_id}"
    return {"kind": kind, "cut": cut, "nth": nth, "secret": secret, "path": path, "body": body, "key": key}


def verdict(sale: Sale, *, ends: set[str]) -> None:
    status = sale.judge()
    sale.world.expect(status in ends, f"the order ended {status}")
    found = sale.world.failures + sale.world.judge_books()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("method", METHODS)
def test_a_confirm_killed_before_its_answer_is_stored_pays_once(
    served_shop: tuple[ProviderWorld, Doomed], method: str
) -> None:
    kill_a_confirm(*served_shop, method=method, cut="in_apply")


@pytest.mark.faults
@pytest.mark.parametrize("cut", PAY_CUTS)
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_confirm_pays_once(served_shop: tuple[ProviderWorld, Doomed], method: str, cut: str) -> None:
    kill_a_confirm(*served_shop, method=method, cut=cut)


def kill_a_confirm(world: ProviderWorld, doomed: Doomed, *, method: str, cut: str) -> None:
    world.begin()
    sale = world.sale(method)
    doomed.die_doing(job(sale, "pay", "/payments", sale.pay_body(), cut=cut))
    world.time_passes()
    world.workers_pass()
    sale.settle()
    verdict(sale, ends={"paid"})


@pytest.mark.faults
@pytest.mark.parametrize("cut", REFUND_CUTS)
@pytest.mark.parametrize("method", ["card", "paypal"])
def test_a_killed_refund_is_given_back_once(served_shop: tuple[ProviderWorld, Doomed], method: str, cut: str) -> None:
    """Yuan wait for a person first: their refunds' crashes are in the grid."""
    world, doomed = served_shop
    world.begin()
    sale = world.sale(method)
    sale.pay()
    sale.all_pass(rounds=1)
    body = {"payment": sale.payment.id, "amount_minor": PART, "reason": "broken"}
    doomed.die_doing(job(sale, "refund", "/refunds", body, cut=cut))
    world.time_passes()
    sale.give_back(PART)
    sale.all_pass(rounds=2)
    verdict(sale, ends={"paid"})


@pytest.mark.faults
@pytest.mark.parametrize("cut", ["in_store", "after_store"])
@pytest.mark.parametrize("method", ["apple_pay", "wechat_native", "alipay_qr", "paypal"])
def test_a_callback_whose_receiver_is_killed_is_believed_once(
    served_shop: tuple[ProviderWorld, Doomed], method: str, cut: str
) -> None:
    world, doomed = served_shop
    world.begin()
    sale = world.sale(method)
    sale.pay()
    sale.side.callbacks()
    sale.payer_acts()
    told = sale.side.callbacks()
    url = f"/webhooks/{sale.desk.account.id}"
    headers, body = told[-1]
    sent = [[url, dict(headers), body.decode()]]
    doomed.die_doing({"kind": "callback", "cut": cut, "secret": "", "callbacks": sent})
    world.deliver(sale.desk, [*told, *told])
    world.news_is_heard()
    world.deliver(sale.desk, told)
    world.news_is_heard()
    verdict(sale, ends={"paid"})
