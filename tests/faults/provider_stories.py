"""What a provider tells of one sale, and whoever else acts on it, to be put into every order. Each story ends the same.

Nothing told is taken away: every story is told twice over, so that each piece of news is also a copy of itself.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from payments.orders.models import Refund
from tests.faults.network import NEVER
from tests.faults.provider_grid import PART
from tests.faults.provider_world import AMOUNT, ProviderWorld, Sale
from tests.faults.providers import AlipaySide, Callback, StripeSide

Acts = Mapping[str, Callable[[], object]]
PAYING = {
    "apple_pay": ("made", "declined", "paid", "poll"),
    "wechat_native": ("paid", "copy", "poll", "cancel"),
    "alipay_qr": ("paid", "finished", "poll", "cancel"),
    "paypal": ("agreed", "copy", "poll", "cancel"),
}
REFUNDING = {
    "apple_pay": ("paid", "refunded", "charge_refunded", "poll"),
    "wechat_native": ("paid", "refunded", "copy", "poll"),
    "alipay_qr": ("paid", "refunded", "finished", "poll"),
    "paypal": ("agreed", "captured", "refunded", "poll"),
}


def tell_of_a_payment(world: ProviderWorld, method: str, story: tuple[str, ...]) -> dict[str, Any]:
    """The payer has paid there and nobody here knows; the end."""
    world.begin()
    sale = world.sale(method)
    sale.pay()
    number = sale.payment.id
    if isinstance(sale.side, StripeSide):
        sale.side.simulator.pay_in_sheet(number, "pm_card_chargeDeclined")
    sale.side.approve(number)
    if isinstance(sale.side, AlipaySide):
        sale.side.simulator.finish(number)
    acts = _news(sale, PAYING[method]) | {
        "poll": partial(_clock, world),
        "cancel": lambda: world.server.post(f"/orders/{sale.order_id}/cancel"),
    }
    _tell(sale, acts, story)
    return end_of(sale)


def tell_of_a_refund(world: ProviderWorld, method: str, story: tuple[str, ...]) -> dict[str, Any]:
    """Paid, and known to be; a part was given back, and the answer to that was lost."""
    world.begin()
    sale = world.sale(method)
    sale.pay()
    number = sale.payment.id
    sale.side.approve(number)
    told = sale.side.callbacks()
    _clock(world)
    assert sale.order.status == "paid"
    told += sale.side.callbacks()
    sale.desk.network.plan("refund", fault="timeout_after", kill=NEVER)
    sale.give_back(PART)
    assert [refund.status for refund in _refunds(sale)] == ["submitting"]
    if isinstance(sale.side, AlipaySide):
        sale.side.simulator.finish(number)
    acts = _news(sale, REFUNDING[method], told=told) | {"poll": partial(_clock, world)}
    _tell(sale, acts, story)
    return end_of(sale) | {"refunds": [(refund.status, refund.amount_minor) for refund in _refunds(sale)]}


ENDING = {
    "apple_pay": ("made", "ended", "poll", "cancel"),
    "alipay_qr": ("ended", "copy", "poll", "cancel"),
}


def tell_of_an_end(world: ProviderWorld, method: str, story: tuple[str, ...]) -> dict[str, Any]:
    """The order's time is over, the attempt was closed there, and the answer to that was lost; the payer is late."""
    world.begin()
    sale = world.sale(method)
    sale.pay()
    number = sale.payment.id
    sale.side.begins_to_pay(number)
    sale.desk.network.plan("close", fault="timeout_after", kill=NEVER)
    sale.time_is_over()
    assert sale.payment.status == "requires_action"
    acts = _news(sale, ENDING[method]) | {
        "poll": partial(_clock, world),
        "cancel": lambda: world.server.post(f"/orders/{sale.order_id}/cancel"),
    }
    sale.side.approve(number)
    _tell(sale, acts, story)
    sale.time_is_over()
    return end_of(sale)


def end_of(sale: Sale) -> dict[str, Any]:
    payment, order = sale.payment, sale.order
    return {
        "payment": (payment.status, payment.captured_minor, payment.fee_minor, payment.is_surplus),
        "left": (payment.action, payment.failure_code, payment.next_attempt_at),
        "order": (order.status, order.refunded_minor, order.next_attempt_at),
    }


def _refunds(sale: Sale) -> list[Refund]:
    return list(Refund.objects.filter(payment__order_id=sale.order_id))


_WORDS = {
    "made": b'"payment_intent.created"',
    "declined": b'"payment_intent.payment_failed"',
    "charge_refunded": b'"charge.refunded"',
    "agreed": b'"CHECKOUT.ORDER.APPROVED"',
    "captured": b'"PAYMENT.CAPTURE.COMPLETED"',
    "finished": b"trade_status=TRADE_FINISHED",
}
_WORDS_BY_METHOD = {
    ("apple_pay", "paid"): b'"payment_intent.succeeded"',
    ("apple_pay", "refunded"): b'"refund.created"',
    ("wechat_native", "paid"): b"TRANSACTION.SUCCESS",
    ("wechat_native", "refunded"): b"REFUND.SUCCESS",
    ("alipay_qr", "paid"): b"trade_status=TRADE_SUCCESS",
    ("alipay_qr", "refunded"): b"out_biz_no=",
    ("apple_pay", "ended"): b'"payment_intent.canceled"',
    ("alipay_qr", "ended"): b"trade_status=TRADE_CLOSED",
    ("paypal", "refunded"): b'"PAYMENT.CAPTURE.REFUNDED"',
}


def _news(sale: Sale, names: tuple[str, ...], *, told: list[Callback] | None = None) -> dict[str, Callable[[], object]]:
    """The callbacks that were sent, by name; a copy is one of the last news."""
    sent = [*(told or []), *sale.side.callbacks()]
    acts: dict[str, Callable[[], object]] = {}
    for name in names:
        if name in ("poll", "cancel"):
            continue
        words = _WORDS.get(name) or _WORDS_BY_METHOD.get((sale.method, name), b"")
        callback = next(one for one in sent if words in one[1]) if name != "copy" else sent[-1]
        acts[name] = partial(_deliver, sale, callback)
    return acts


def _deliver(sale: Sale, callback: Callback) -> None:
    sale.world.deliver(sale.desk, [callback])
    sale.world.news_is_heard()


def _clock(world: ProviderWorld) -> None:
    world.time_passes()
    world.workers_pass()


def _tell(sale: Sale, acts: Acts, story: tuple[str, ...]) -> None:
    for name in (*story, *story):
        acts[name]()
    sale.all_pass(rounds=1)
    sale.judge()
    order = sale.order
    sale.world.expect(sale.payment.captured_minor in (0, AMOUNT), f"{order.status}: {sale.payment.captured_minor}")
