"""May this payment go on? Facts, limits, lists and rules make one decision, which the journal keeps with its reasons.

Order of judgement: a block list refuses; then the limits for one payment; then the rules, unless an allow list exempts
the attempt from them. Limits of a period are taken exactly, in the transaction that begins the payment: it calls
``riskcontrol_journal`` with :attr:`Decision.journal`.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from django.db import Error

from paycore import metrics
from paycore.database import call_function
from paycore.errors import PaycoreError
from paycore.identifiers import new_id
from riskcontrol.gathering import Attempt, Gathered, gather
from riskcontrol.limits import (
    PaymentLimitReached,
    PaymentOverLimit,
    PaymentRefusedByRisk,
    active_limits,
    applying,
    check_amount,
    forget_limits,
    limit_reached,
    to_reserve,
)
from riskcontrol.models import Action
from riskcontrol.rules import Verdict, evaluate, live_rules

__all__ = [
    "Attempt",
    "Decision",
    "PaymentLimitReached",
    "PaymentOverLimit",
    "PaymentRefusedByRisk",
    "assess",
    "forget_limits",
    "journal_refusal",
    "record",
    "refusal_of",
]

LIMIT_REACHED = "PC010"
"""What riskcontrol_journal raises."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``action`` is allow, delay, challenge or review (a refusal is raised); ``reasons`` name rules and lists by id and
    version. ``journal`` is for ``riskcontrol_journal``, as JSON."""

    id: str
    action: str
    reasons: tuple[str, ...]
    delay_seconds: int = 0
    journal: dict[str, Any] = field(default_factory=dict, repr=False)

    def as_row(self) -> dict[str, Any]:
        return {"decision": self.id, "action": self.action, "reasons": list(self.reasons)}


def assess(attempt: Attempt) -> Decision:
    """Decide; nothing is written unless it is refused.

    Raises :class:`PaymentOverLimit` and :class:`PaymentRefusedByRisk`; the refusal is in the journal by then.
    """
    rules, limits = live_rules(), active_limits()
    gathered = gather(attempt, rules=rules, limits=limits)
    matching = applying(
        limits,
        merchant_id=attempt.merchant_id,
        method=attempt.method,
        currency=attempt.amount.currency,
        kyc_level=gathered.kyc_level,
    )
    if gathered.listed.blocking:
        reasons = tuple(f"list:{name}" for name in gathered.listed.blocking)
        _refuse(gathered, Verdict(Action.REJECT.value, 0, reasons, ()), PaymentRefusedByRisk())
    over_limit = check_amount(matching, attempt.amount)
    if over_limit:
        _refuse(gathered, Verdict(Action.REJECT.value, 0, ("limit:payment",), ()), over_limit)
    verdict = evaluate(rules, gathered.facts, only_watch=bool(gathered.listed.allowing))
    if verdict.action == Action.REJECT:
        _refuse(gathered, verdict, PaymentRefusedByRisk())
    allowing = tuple(f"list:{name}" for name in gathered.listed.allowing)
    reserved = to_reserve(matching, merchant_id=attempt.merchant_id, user_id=attempt.user_id)
    metrics.RISK_DECISIONS.labels(action=verdict.action).inc()
    return _decision(gathered, verdict, reserved=reserved, more_reasons=allowing)


def refusal_of(error: Error, decision: Decision | None = None) -> PaycoreError:
    """What a ``PC010`` of riskcontrol_journal means to the payer. Raises ``error`` itself when it is another.

    Call it when the transaction is rolled back: with the ``decision``, the refusal is then written to the journal.
    """
    cause: Any = error.__cause__
    if getattr(cause, "pgcode", None) != LIMIT_REACHED:
        raise error
    detail = json.loads(cause.diag.message_detail)
    refusal = limit_reached(detail["limit"], resets_at=datetime.fromisoformat(detail["resets_at"]))
    if decision is not None:
        journal_refusal(decision, refusal=refusal, reason=f"limit:{detail['limit']}")
    return refusal


def journal_refusal(decision: Decision, *, refusal: PaycoreError, reason: str) -> None:
    """Keep a decision that was overruled by a limit: it takes nothing of any."""
    changed = {
        "action": Action.REJECT.value,
        "refusal": refusal.code,
        "reasons": [reason, *decision.reasons],
        "reserved": [],
    }
    _write(decision.journal | changed)


def record(decision: Decision, *, refusal: str = "reauth_required") -> None:
    """Keep a decision that the payer has not yet satisfied: nothing goes on, and nothing is taken of limits."""
    _write(decision.journal | {"refusal": refusal, "reserved": []})


def _refuse(gathered: Gathered, verdict: Verdict, refusal: PaymentRefusedByRisk) -> NoReturn:
    """Always raises ``refusal``, once it is written."""
    decision = _decision(gathered, verdict, reserved=[], refusal=refusal.code)
    _write(decision.journal)
    raise refusal


def _write(journal: dict[str, Any]) -> None:
    metrics.RISK_DECISIONS.labels(action=journal["action"]).inc()
    call_function("riskcontrol_journal", json.dumps(journal))


def _decision(
    gathered: Gathered,
    verdict: Verdict,
    *,
    reserved: list[dict[str, str]],
    refusal: str = "",
    more_reasons: tuple[str, ...] = (),
) -> Decision:
    decision_id = new_id("rsk")
    attempt = gathered.attempt
    reasons = (*more_reasons, *verdict.reasons)
    return Decision(
        id=decision_id,
        action=verdict.action,
        reasons=reasons,
        delay_seconds=verdict.delay_seconds,
        journal={
            "id": decision_id,
            "subject_id": attempt.subject_id,
            "merchant_id": attempt.merchant_id,
            "user_id": attempt.user_id,
            "amount_minor": attempt.amount.minor,
            "currency": attempt.amount.currency,
            "method": attempt.method,
            "ip": gathered.network,
            "device_id": attempt.device_id,
            "payment_method_key": attempt.payment_method_key,
            "action": verdict.action,
            "delay_seconds": verdict.delay_seconds,
            "refusal": refusal,
            "reasons": list(reasons),
            "facts": gathered.facts,
            "reserved": reserved,
            "hits": [hit.as_row() for hit in verdict.hits],
        },
    )
