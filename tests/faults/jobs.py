"""What a doomed process may be doing when it is killed. Each job is an ordinary call of the public API or a task."""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from merchants.webhooks.delivery import deliver_due
from paycore import outbox
from payments.tasks import advance_refunds, sync_pending_payments
from tests.actors import MerchantServer
from tests.faults.cuts import CUTS, Cut, arm
from tests.faults.doomed import GATEWAY_DEADLINE_SECONDS
from tests.faults.web import new_client, post_callback, warm_up

warm_up()  # once, in the parent; children inherit it


def perform(job: dict[str, Any]) -> Any:
    """``job``: kind, cut (or None), nth, secret, and what the kind needs."""
    settings.PAYCORE_GATEWAY_DEADLINE_SECONDS = GATEWAY_DEADLINE_SECONDS
    if job["cut"]:
        cut = CUTS[job["kind"]][job["cut"]]
        arm(Cut(cut.target, cut.moment, nth=job.get("nth", cut.nth)))
    return JOBS[job["kind"]](job)


def _post(job: dict[str, Any]) -> Any:
    server = MerchantServer(secret=job["secret"], client=new_client())
    response = server.post(job["path"], job["body"], key=job["key"])
    return {"status": response.status_code, "body": response.content.decode()}


def _refund(job: dict[str, Any]) -> Any:
    answer = _post(job)
    advance_refunds()
    return answer


def _callback(job: dict[str, Any]) -> Any:
    return [post_callback((url, headers, body.encode())) for url, headers, body in job["callbacks"]]


def _drain(_job: dict[str, Any]) -> Any:
    return outbox.drain()


def _sync(_job: dict[str, Any]) -> Any:
    return sync_pending_payments()


def _webhooks(_job: dict[str, Any]) -> Any:
    settings.PAYCORE_WEBHOOKS_ALLOW_PRIVATE = True  # the receiver is on this machine
    return deliver_due()


JOBS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pay": _post,
    "hold": _post,
    "send_held": _sync,
    "withdraw_held": _sync,
    "refund": _refund,
    "capture": _post,
    "cancel": _post,
    "callback": _callback,
    "drain": _drain,
    "webhooks": _webhooks,
}
