"""Risk control at work: a payment waits for a person, others are refused, and the journal says why."""

import time
from typing import Any

from accounts.models import User
from paycore.demo.acts import act
from paycore.demo.stage import Stage
from riskcontrol.cases import decide_case
from riskcontrol.lists import add_entry
from riskcontrol.models import Action, Case, Decision, ListEntry, RiskList, Rule
from riskcontrol.models.rules import Mode
from riskcontrol.rule_modes import set_mode

RULE = "Demo: odd amounts are looked at"
ODD_MINOR = 77_777
TOO_MUCH_MINOR = 5_000_000
BAD_DEVICE = "demo-stolen-phone"
RULES_ARE_SEEN_AFTER_SECONDS = 2.5


@act(order=40, name="risk", title="A payment is looked at, and others refused")
def look_twice(stage: Stage) -> None:
    reviewer = User.objects.get(email="review@demo.example")
    _set_up(by=reviewer)
    time.sleep(RULES_ARE_SEEN_AFTER_SECONDS)
    shop = stage.server()
    held = _pay(stage, device_id="demo-phone", amount_minor=ODD_MINOR)
    stage.require(held["hold"] == "review", "the rule holds the payment", held)
    stage.tell(f"{held['id']} matches the rule “{RULE}”: {held['status']}, held for {held['hold']}; nothing was sent")
    case = Case.objects.get(kind=Case.Kind.RISK_REVIEW, object_id=held["id"])
    decide_case(case_id=case.id, verdict=Case.Verdict.APPROVED, note="A known customer", by_id=reviewer.id)
    paid = stage.wait_until(shop, f"/merchant/payments/{held['id']}", status="succeeded", version=held["version"])
    stage.tell(f"Rafael approves {case.id} in the operations console; the payment goes on: {paid['status']}")
    refusal = _pay(stage, device_id=BAD_DEVICE, amount_minor=1_000, expected=403)
    stage.require(refusal["code"] == "payment_refused_by_risk", "a blocked device is refused", refusal)
    decision = Decision.objects.filter(device_id=BAD_DEVICE).latest("id")
    stage.tell(f"A stolen phone tries: refused. The journal says why in {decision.id}: {', '.join(decision.reasons)}")
    too_much = _pay(stage, device_id="demo-phone", amount_minor=TOO_MUCH_MINOR, expected=403)
    stage.require(too_much["code"] == "payment_over_limit", "a limit holds", too_much)
    stage.tell(f"A payment of ${TOO_MUCH_MINOR // 100:,} is above the limit of one payment: refused before any rule")
    set_mode(Rule.objects.get(name=RULE).id, mode=Mode.SHADOW, by_id=reviewer.id)
    stage.tell("The rule goes back to shadow: it is counted and no longer acts")


def _set_up(*, by: User) -> None:
    rule, _is_new = Rule.objects.get_or_create(
        name=RULE, defaults={"expression": f"amount_minor == {ODD_MINOR}", "action": Action.REVIEW}
    )
    set_mode(rule.id, mode=Mode.ACTIVE, by_id=by.id)
    stolen, _is_new = RiskList.objects.get_or_create(name="stolen_phones", defaults={"effect": RiskList.Effect.BLOCK})
    kind, why = ListEntry.Kind.DEVICE, "Told by its owner"
    add_entry(risk_list=stolen, kind=kind, value=BAD_DEVICE, reason=why, added_by_id=by.id)


def _pay(stage: Stage, *, device_id: str, amount_minor: int, expected: int = 201) -> dict[str, Any]:
    details = {"currency": "USD", "amount_minor": amount_minor, "description": "A used bicycle"}
    payer = {"ip_address": "203.0.113.20", "device_id": device_id}
    body = {"order_details": details, "method": "card", "options": {"token": "tok_approve"}, "payer": payer}
    return stage.server().post("/merchant/payments", body, expected=expected)
