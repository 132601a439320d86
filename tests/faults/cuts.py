"""Where a process may be killed. A cut is put around a function of the product, in the doomed process only.

``before``: as the function is called. ``uncommitted``: its statements ran, their transaction did not commit.
``after``: it has returned. Together they stand on both sides of every commit and of every call to a gateway.
"""

import functools
import importlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction


@dataclass(frozen=True)
class Cut:
    """``target`` is ``module:function`` or ``module:Class.method``; killed the ``nth`` time it is reached."""

    target: str
    moment: str
    nth: int = 1


_COMMIT = "django.db.backends.base.base:BaseDatabaseWrapper.commit"
_BYTES_SENT = Cut("paycore.http:_Stream.read", "before")

CUTS: dict[str, dict[str, Cut]] = {
    "pay": {
        "before_begin": Cut("payments.orders.statements:begin", "before"),
        "in_begin": Cut("payments.orders.statements:begin", "uncommitted"),
        "after_begin": Cut("payments.orders.statements:begin", "after"),
        "bytes_sent": _BYTES_SENT,
        "answer_received": Cut("payments.orders.asking:ask", "after"),
        "in_apply": Cut("payments.orders.statements:apply", "uncommitted"),
        "after_apply": Cut("payments.orders.statements:apply", "after"),
        "before_answer": Cut("payments.orders.payment_views:answer", "before"),
    },
    "hold": {
        "in_begin": Cut("payments.orders.statements:begin", "uncommitted"),
        "before_case": Cut("payments.orders.charging:open_case", "before"),
        "in_hold": Cut("payments.orders.charging:_hold", "uncommitted"),
        "after_hold": Cut("payments.orders.charging:_hold", "after"),
        "before_answer": Cut("payments.orders.payment_views:answer", "before"),
    },
    "send_held": {
        "before_mark": Cut("payments.orders.holds:_send", "before"),
        "in_mark": Cut("payments.orders.models:Payment.save", "uncommitted"),
        "after_mark": Cut("payments.orders.holds:submit", "before"),
        "bytes_sent": _BYTES_SENT,
        "answer_received": Cut("payments.orders.asking:ask", "after"),
        "in_apply": Cut("payments.orders.statements:apply", "uncommitted"),
        "after_apply": Cut("payments.orders.statements:apply", "after"),
    },
    "withdraw_held": {
        "in_apply": Cut("payments.orders.statements:apply", "uncommitted"),
        "in_withdraw": Cut("payments.orders.holds:withdraw_held", "uncommitted"),
        "after_withdraw": Cut("payments.orders.holds:_end_review", "after"),
    },
    "refund": {
        "in_reserve": Cut("payments.orders.views:request_refund", "after"),
        "after_reserve": Cut("paycore.api:run_atomically", "after"),
        "in_mark": Cut("payments.orders.refunds:_mark_submitting", "uncommitted"),
        "after_mark": Cut("payments.orders.refunds:_mark_submitting", "after"),
        "bytes_sent": _BYTES_SENT,
        "answer_received": Cut("payments.orders.refunds:ask", "after"),
        "in_record": Cut("payments.orders.refunds:record_refund_result", "uncommitted"),
        "after_record": Cut("payments.orders.refunds:record_refund_result", "after"),
    },
    "capture": {
        "in_request": Cut("payments.orders.payment_views:request_capture", "after"),
        "after_request": Cut("paycore.api:run_atomically", "after"),
        "in_mark": Cut("payments.orders.captures:_mark_attempt", "uncommitted"),
        "after_mark": Cut("payments.orders.captures:_mark_attempt", "after"),
        "bytes_sent": _BYTES_SENT,
        "answer_received": Cut("payments.orders.captures:ask", "after"),
        "in_record": Cut("payments.orders.captures:record_payment_result", "uncommitted"),
        "after_record": Cut("payments.orders.captures:record_payment_result", "after"),
        "in_finish": Cut("payments.orders.captures:_finish", "uncommitted"),
        "after_finish": Cut("payments.orders.captures:_finish", "after"),
    },
    "cancel": {
        "bytes_sent": _BYTES_SENT,
        "answer_received": Cut("payments.orders.services:ask", "after"),
        "in_apply": Cut("payments.orders.statements:apply", "uncommitted"),
        "after_apply": Cut("payments.orders.statements:apply", "after"),
        "in_end": Cut("payments.orders.services:_end_order", "uncommitted"),
        "after_end": Cut("payments.orders.services:_end_order", "after"),
    },
    "callback": {
        "in_store": Cut("payments.webhooks.services:store_once", "uncommitted"),
        "after_store": Cut("payments.webhooks.views:store_webhook", "after"),
    },
    "webhooks": {
        "after_claim": Cut("merchants.webhooks.delivery:claim_deliveries", "after"),
        "before_record": Cut("merchants.webhooks.delivery:record_outcome", "before"),
        "in_record": Cut("merchants.webhooks.delivery:record_outcome", "uncommitted"),
        "after_record": Cut("merchants.webhooks.delivery:record_outcome", "after"),
    },
    "drain": {
        "after_claim": Cut("paycore.outbox:_claim", "after"),
        "before_handler": Cut("paycore.events:run_handler", "before"),
        "after_handler": Cut("paycore.events:run_handler", "after"),
        "before_commit": Cut(_COMMIT, "before"),
        "after_commit": Cut(_COMMIT, "after"),
    },
}


def arm(cut: Cut) -> None:
    """From now on this process dies there."""
    module_name, _, path = cut.target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, _deadly(getattr(owner, name), cut))


def _deadly(function: Callable[..., Any], cut: Cut) -> Callable[..., Any]:
    reached = 0

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal reached
        reached += 1
        if reached != cut.nth:
            return function(*args, **kwargs)
        if cut.moment == "before":
            die()
        if cut.moment == "uncommitted":
            with transaction.atomic():
                function(*args, **kwargs)
                die()
        answer = function(*args, **kwargs)
        die()
        return answer

    return wrapper


def die() -> None:
    """kill -9: nothing is closed, flushed or rolled back by us."""
    os.kill(os.getpid(), signal.SIGKILL)
