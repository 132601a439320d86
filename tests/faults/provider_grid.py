"""The cells for real gateways: which call × what befalls it × where the process dies. Every cell ends in a whole."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from payments.tasks import advance_refunds, expire_orders
from tests.faults.network import AFTER_ANSWER, FAULTS, KILLS, LYING_FAULTS, NEVER, REPLAYED, SIGNATURE_FAULTS
from tests.faults.provider_world import ProviderWorld, Sale

METHODS = ("card", "apple_pay", "wechat_native", "alipay_qr", "paypal")
CALLS = ("create", "query", "take", "close", "close_paid", "refund", "refund_query")
PART = 400
_NO_SIGNATURES = ("card", "apple_pay", "paypal")
_IMMEDIATE = ("card",)


def grid() -> Iterator[Any]:
    for method in METHODS:
        for call in CALLS:
            for fault in FAULTS:
                if applies(method, call, fault):
                    yield pytest.param(method, call, fault, id=f"{method}-{call}-{fault}")


def applies(method: str, call: str, fault: str) -> bool:
    """Some answers are not signed, and some say nothing that could be somebody else's."""
    if fault in SIGNATURE_FAULTS and method in _NO_SIGNATURES:
        return False
    if call == "take":
        return method == "paypal"
    if call in ("close_paid",) and method in _IMMEDIATE:
        return False
    if fault in LYING_FAULTS:
        return _says_something(method, call, fault)
    return True


def _says_something(method: str, call: str, fault: str) -> bool:
    """A QR code's answer names no amount, WeChat's close answers nothing at all, PayPal's change neither."""
    if call == "create" and method == "wechat_native":
        return False
    if call in ("close", "close_paid") and method in ("wechat_native", "paypal"):
        return False
    is_about_amounts = fault == "wrong_amount"
    return not (is_about_amounts and method == "alipay_qr" and call in ("create", "close", "close_paid"))


def run_cell(world: ProviderWorld, *, method: str, call: str, fault: str, kill: str) -> None:
    world.begin()
    sale = world.sale(method)
    ends = SCENES[call](world, sale, fault, kill)
    status = sale.judge()
    world.expect(status in ends, f"the order ended {status}, not {ends}")
    met = sale.desk.network.met
    is_moot = kill == AFTER_ANSWER and call in ("create", "close", "close_paid", "take")
    world.expect(kill == NEVER or kill in met, f"nobody was killed: {met}")
    world.expect(fault in met or is_moot, f"the fault befell nothing: {met}")


def creating(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    sale.desk.network.plan("create", fault=fault, kill=kill)
    world.dying(sale.pay)
    world.time_passes()
    world.workers_pass()
    sale.settle()
    if fault == "refused":
        return {"open", "paid", "expired"}  # nothing happened there, and the attempt is over; or the repeat met it
    return {"paid"} if sale.method != "alipay_qr" else {"paid", "expired"}


def querying(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    """The payer has paid, no callback comes, and somebody asks."""
    if sale.method in _IMMEDIATE:
        sale.desk.network.plan("create", fault="timeout_after", kill=NEVER)
    sale.pay()
    sale.payer_acts()
    sale.side.callbacks()
    sale.desk.network.plan("query", fault=fault, kill=kill)
    _clock_comes_while_dying(world)
    _no_callbacks_settle(sale)
    return {"paid"}


def taking(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    """The payer has agreed; it is for us to take the money."""
    sale.pay()
    sale.payer_acts()
    sale.side.callbacks()
    sale.desk.network.plan("take", fault=fault, kill=kill)
    _clock_comes_while_dying(world)
    sale.settle()
    return {"paid"}


def closing(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    """The payer never comes, the order's time is over; then the payer comes after all."""
    if sale.method in _IMMEDIATE:
        sale.desk.network.plan("create", fault="timeout_before", kill=NEVER)
    sale.pay()
    shown = [payment.id for payment in sale.payments if payment.action is not None]
    sale.desk.network.plan("close", fault=fault, kill=kill)
    world.dying(sale.time_is_over)
    _orders_end(world, sale)
    sale.desk.network.heal()
    _orders_end(world, sale)
    for number in shown:
        sale.side.approve(number)
    world.deliver(sale.desk)
    world.workers_pass()
    return {"expired"}


def closing_what_was_paid(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    """The payer paid at the last moment, and nobody was told."""
    sale.pay()
    sale.payer_acts()
    sale.side.callbacks()
    asked = "query" if sale.method == "apple_pay" else "close"  # at Stripe we look first
    sale.desk.network.plan(asked, fault=fault, kill=kill)
    world.dying(sale.time_is_over)
    _orders_end(world, sale)
    sale.desk.network.heal()
    _orders_end(world, sale)
    _orders_end(world, sale)
    return {"paid", "expired"} if sale.method == "paypal" else {"paid"}  # PayPal: agreed, but not taken by us


def refunding(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    _paid(world, sale)
    sale.desk.network.plan("refund", fault=fault, kill=kill)
    world.dying(lambda: sale.give_back(PART))
    _refund_settles(world, sale)
    return {"paid"}


def asking_about_a_refund(world: ProviderWorld, sale: Sale, fault: str, kill: str) -> set[str]:
    _paid(world, sale)
    sale.desk.network.plan("refund", fault="timeout_after", kill=NEVER)
    sale.give_back(PART)
    sale.side.callbacks()
    asked = "query" if sale.method == "paypal" else "refund_query"
    sale.desk.network.plan(asked, fault=fault, kill=kill)
    world.time_passes()
    world.dying(advance_refunds)
    _refund_settles(world, sale)
    return {"paid"}


Scene = Callable[[ProviderWorld, Sale, str, str], set[str]]
SCENES: dict[str, Scene] = {
    "create": creating,
    "query": querying,
    "take": taking,
    "close": closing,
    "close_paid": closing_what_was_paid,
    "refund": refunding,
    "refund_query": asking_about_a_refund,
}


def _clock_comes_while_dying(world: ProviderWorld) -> None:
    for _time in range(2):
        world.time_passes()
        world.dying(world.workers_pass)


def _no_callbacks_settle(sale: Sale) -> None:
    sale.desk.network.heal()
    for _round in range(2):
        sale.side.callbacks()
        sale.world.time_passes()
        sale.world.workers_pass()


def _orders_end(world: ProviderWorld, sale: Sale) -> None:
    world.time_passes()
    world.dying(world.workers_pass)
    sale.time_is_over()
    world.dying(expire_orders)


def _paid(world: ProviderWorld, sale: Sale) -> None:
    sale.pay()
    sale.all_pass(rounds=1)
    assert sale.order.status == "paid"


def _refund_settles(world: ProviderWorld, sale: Sale) -> None:
    world.time_passes()
    world.dying(advance_refunds)
    sale.desk.network.heal()
    sale.give_back(PART)
    sale.all_pass(rounds=2)


def sweep(world: ProviderWorld, *, method: str, call: str, fault: str) -> list[str]:
    """All kills of one row; what went wrong."""
    found: list[str] = []
    for kill in KILLS:
        run_cell(world, method=method, call=call, fault=fault, kill=kill)
        found += [f"killed {kill}: {failure}" for failure in world.failures]
    return found + world.judge_books()


_QUICK_REPLAYS = {("card", "create"), ("wechat_native", "query"), ("alipay_qr", "refund")}


def replays() -> Iterator[Any]:
    """WeChat's answers to sending and closing, and PayPal's to closing, name no payment: TLS alone protects them."""
    nameless = {("wechat_native", "create"), ("wechat_native", "close"), ("paypal", "close")}
    for method in METHODS:
        for call in ("create", "query", "close", "refund", "refund_query"):
            is_same_as_query = method == "paypal" and call == "refund_query"
            if (method, call) not in nameless and not is_same_as_query:
                deep = () if (method, call) in _QUICK_REPLAYS else (pytest.mark.faults,)
                yield pytest.param(method, call, id=f"{method}-{call}", marks=deep)


def run_replay(world: ProviderWorld, *, method: str, call: str) -> list[str]:
    """Another sale went well just before; its answers come once more, as if they were about this one."""
    world.begin()
    other = world.sale(method)
    _paid(world, other)
    other.side.callbacks()
    other.desk.network.plan("refund", fault="timeout_after", kill=NEVER)
    other.give_back(PART)
    other.all_pass(rounds=1)
    _let_one_end(world, method)
    _pay_and_be_asked(world, method)
    sale = world.sale(method)
    ends = _replayed(world, sale, call)
    status = sale.judge()
    world.expect(status in ends, f"the order ended {status}, not {ends}")
    world.expect(REPLAYED in sale.desk.network.met, "nothing was replayed")
    return world.failures + world.judge_books()


def _let_one_end(world: ProviderWorld, method: str) -> None:
    sale = world.sale(method)
    if method not in _IMMEDIATE:
        sale.pay()
        sale.time_is_over()
    else:
        closing(world, sale, "", NEVER)


def _pay_and_be_asked(world: ProviderWorld, method: str) -> None:
    """So that the last answer to a question and the last answer to a refund are good news."""
    sale = world.sale(method)
    querying(world, sale, "", NEVER)
    sale.give_back(PART)
    sale.side.callbacks()


def _replayed(world: ProviderWorld, sale: Sale, call: str) -> set[str]:
    network = sale.desk.network
    if call == "create":
        network.plan("create", fault=REPLAYED, kill=NEVER)
        sale.pay()
        world.expect(sale.payment.status in ("submitting", "failed"), f"believed: {sale.payment.status}")
        sale.settle()
        return {"paid", "expired"} if sale.method == "alipay_qr" else {"paid"}
    if call == "query":
        if sale.method in _IMMEDIATE:
            network.plan("create", fault="timeout_before", kill=NEVER)
        sale.pay()
        network.plan("query", fault=REPLAYED, kill=NEVER)
        world.time_passes()
        world.workers_pass()
        is_retried = sale.method in _IMMEDIATE and sale.side.taken(sale.payment.id)
        world.expect(bool(is_retried) or sale.order.status == "open", f"believed: {sale.order.status}")
        sale.settle()
        return {"paid"}
    if call == "refund_query":
        _paid(world, sale)
        network.plan("refund", fault="timeout_before", kill=NEVER)
        sale.give_back(PART)
        network.plan("refund_query", fault=REPLAYED, kill=NEVER)
        world.time_passes()
        advance_refunds()
        _refund_settles(world, sale)
        return {"paid"}
    return SCENES[call](world, sale, REPLAYED, NEVER)


def run_forgery(world: ProviderWorld, *, method: str, fault: str) -> list[str]:
    """The payer has not paid; somebody on the way says they have, but cannot sign it."""
    world.begin()
    sale = world.sale(method)
    sale.pay()
    sale.side.begins_to_pay(sale.payment.id)
    sale.desk.network.plan("query", fault=fault, kill=NEVER)
    world.time_passes()
    world.workers_pass()
    world.expect(sale.payment.status == "requires_action", f"believed: {sale.payment.status}")
    world.expect(fault in sale.desk.network.met, "nothing was forged")
    sale.settle()
    status = sale.judge()
    world.expect(status == "paid", f"the order ended {status}")
    return world.failures + world.judge_books()
