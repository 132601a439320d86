"""The wallet as one more provider, in this process: requests and answers as any provider's, JSON over a transport.

Each request is a transaction of its own, and none may be open when it comes, as for any call to a provider.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError
from django.db import OperationalError

from paycore.errors import NotFound, PaycoreError
from paycore.http import refuse_open_transaction
from paycore.money import Money
from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from payments.wallet import paying
from payments.wallet.models import WalletOperation
from payments.wallet.moving import moment_of

HOST = "wallet"
_ADDRESS = re.compile(r"^inprocess://wallet/(payments|refunds)(?:/([^/]+)(?:/(capture|void|close))?)?$")
_GAVE_UP = {"55P03", "40P01"}
"""SQLSTATE of a lock that was not given and of a deadlock: the transaction was rolled back, nothing happened."""

Answer = dict[str, Any]


def serve(request: HttpRequest) -> HttpResponse:
    """An :data:`~payments.gateways.contract.HttpTransport`."""
    refuse_open_transaction()
    try:
        status, answer = 200, _answer(request)
    except PaycoreError as refusal:
        status, answer = refusal.http_status, {"error": refusal.code}
    except (KeyError, TypeError, ValueError):
        status, answer = 400, {"error": "malformed"}
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") in _GAVE_UP:
            raise GatewayUnavailable("the wallet is busy", code="busy") from error
        raise GatewayOutcomeUnknown("the database did not answer", code="no_answer") from error
    except DatabaseError as error:
        raise GatewayOutcomeUnknown("the database refused", code="no_answer") from error
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=json.dumps(answer).encode())


def _answer(request: HttpRequest) -> Answer:
    found = _ADDRESS.match(request.url)
    if found is None:
        raise NotFound
    kind, reference, verb = found.groups()
    deed = _DEEDS.get((request.method, kind, verb or ("one" if reference else "")))
    if deed is None:
        raise NotFound
    return deed(reference or "", json.loads(request.body) if request.body else {})


def _pay(_reference: str, words: Answer) -> Answer:
    charge = paying.Charge(
        reference=_text(words, "reference"),
        user_id=_text(words, "payer"),
        amount=_money(words),
        order_reference=_text(words, "order"),
        gateway_account_id=_text(words, "account"),
        is_hold=words["capture"] is False,
    )
    return _attempt(paying.pay(charge))


def _capture(reference: str, words: Answer) -> Answer:
    part = _text(words, "capture_reference")
    return _attempt(paying.capture(reference, capture_reference=part, amount=_money(words)))


def _refund(_reference: str, words: Answer) -> Answer:
    payment = _text(words, "payment_reference")
    return _given_back(paying.refund(_text(words, "reference"), payment_reference=payment, amount=_money(words)))


_DEEDS: dict[tuple[str, str, str], Callable[[str, Answer], Answer]] = {
    ("POST", "payments", ""): _pay,
    ("GET", "payments", "one"): lambda reference, _words: _attempt(paying.look_up(reference)),
    ("POST", "payments", "capture"): _capture,
    ("POST", "payments", "void"): lambda reference, _words: _attempt(paying.void(reference)),
    ("POST", "payments", "close"): lambda reference, _words: _attempt(paying.close(reference)),
    ("POST", "refunds", ""): _refund,
    ("GET", "refunds", "one"): lambda reference, _words: _given_back(paying.look_up_refund(reference)),
}


def _attempt(attempt: paying.Attempt) -> Answer:
    return {
        "reference": attempt.reference,
        "state": attempt.state,
        "operation": attempt.operation_id,
        "amount_minor": attempt.amount.minor if attempt.amount else None,
        "currency": attempt.amount.currency if attempt.amount else None,
        "taken_minor": attempt.taken_minor,
        "refusal": attempt.refusal,
        "at": attempt.at.isoformat(),
    }


def _given_back(operation: WalletOperation) -> Answer:
    return {
        "reference": operation.reference,
        "payment_reference": operation.payment_reference,
        "state": "given_back",
        "operation": operation.id,
        "amount_minor": operation.amount_minor,
        "currency": operation.currency,
        "at": moment_of(operation).isoformat(),
    }


def _money(words: Answer) -> Money:
    amount = Money(words["amount_minor"], _text(words, "currency"))
    if not amount.is_positive:
        raise ValueError("amount_minor")
    return amount


def _text(words: Answer, name: str) -> str:
    value = words[name]
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value
