"""Ada's year as a member: tried, paid, declined, recovered, moved up and left; by API and sandbox clock."""

from typing import Any

from memberships.invoices.checks import run_checks
from paycore.demo.acts import act
from paycore.demo.stage import Caller, Stage
from paycore.money import Money

AGREED = {"text_version": "membership-1", "language": "en", "accepted": True}


@act(order=10, name="membership", title="Ada's year as a member passes in a minute")
def become_a_member(stage: Stage) -> None:
    ada = stage.sign_up("Ada")
    membership = ada.get("/membership")
    stage.require(membership["plan"] == "free", "a new user is on the free plan", membership)
    card = _keep_card(ada, script="approve")
    subscription = _try_premium(stage, ada, card)
    _start_paying(stage, ada, subscription)
    _get_declined_and_recover(stage, ada, subscription, good_card=card)
    _move_up(stage, ada, subscription, card)
    _leave(stage, ada, subscription)
    _open_the_invoices(stage, ada, subscription)


def _try_premium(stage: Stage, ada: Caller, card: str) -> str:
    plans = ada.get("/plans", currency="USD")["data"]
    stage.tell("On sale: " + ", ".join(plan["name"] for plan in plans))
    wish = {
        "plan": "premium", "currency": "USD", "time_zone": "Europe/Berlin",
        "collected_by": "method", "payment_method": card,
    }  # fmt: skip
    preview = ada.post("/subscriptions/preview", wish, expected=200)
    later = preview["invoice"]["due_minor"]
    stage.require(not preview["is_due_now"] and later, "a trial costs nothing today", preview)
    subscription = ada.post("/subscriptions", wish)
    stage.require(subscription["status"] == "trialing", "she is on trial", subscription)
    day = subscription["trial_ends_at"][:10]
    stage.tell(f"She tries Premium: nothing today, {_dollars(later)} a month from {day}, {subscription['id']}")
    stage.wait_for(lambda: ada.get("/membership"), lambda answer: answer["plan"] == "premium")
    rights = ", ".join(f"{row['feature']} {row['limit']}" for row in ada.get("/entitlements")["data"])
    stage.tell(f"She may use: {rights}")
    return str(subscription["id"])


def _start_paying(stage: Stage, ada: Caller, subscription_id: str) -> None:
    _let_pass(stage, ada, days=15)
    now = ada.get(f"/subscriptions/{subscription_id}")
    stage.require(now["status"] == "active", "the trial has become a paid month", now)
    [invoice] = ada.get("/invoices", status="paid")["data"][:1]
    stage.tell(
        f"Two weeks later: her card paid {_dollars(invoice['total_minor'])} ({invoice['number']}); "
        f"Premium until {now['period_ends_at'][:10]}"
    )


def _get_declined_and_recover(stage: Stage, ada: Caller, subscription_id: str, *, good_card: str) -> None:
    empty = _keep_card(ada, script="approve+later_decline(insufficient_funds)")
    _collect_by(ada, subscription_id, empty)
    _let_pass(stage, ada, months=1)
    late = ada.get(f"/subscriptions/{subscription_id}")
    stage.require(late["status"] == "past_due" and late["has_access"], "grace: she keeps what she had", late)
    stage.tell(
        f"A month later her new card is declined ({late['failure_code']}): {late['status']}, "
        f"and she keeps Premium until {late['grace_until'][:10]}"
    )
    _let_pass(stage, ada, days=4)
    shut = ada.get(f"/subscriptions/{subscription_id}")
    stage.require(shut["status"] == "suspended" and not shut["has_access"], "after the grace it rests", shut)
    plan = stage.wait_for(lambda: ada.get("/membership"), lambda answer: answer["status"] == "free")["plan"]
    stage.tell(f"Nobody pays and the grace is over: {shut['status']}, she is on the {plan} plan; retries go on")
    _collect_by(ada, subscription_id, good_card)
    back = stage.wait_until(ada, f"/subscriptions/{subscription_id}", status="active")
    stage.tell(f"She goes back to her old card; it is tried at once: {back['status']}, her month is the one it was")


def _move_up(stage: Stage, ada: Caller, subscription_id: str, card: str) -> None:
    _let_pass(stage, ada, months=9)
    wish = {"plan": "platinum", "currency": "USD"}
    quote = ada.post(f"/subscriptions/{subscription_id}/preview", wish, expected=200)
    for line in quote["invoice"]["lines"]:
        stage.tell(f"Platinum from today would be: {line['description']}: {_dollars(line['amount_minor'])}")
    wish["quoted_at"] = quote["effective_at"]
    billed = ada.post(f"/subscriptions/{subscription_id}/change", wish, expected=200)
    due = billed["order"]["amount_minor"]
    stage.require(due == quote["invoice"]["due_minor"], "what was quoted is what is asked for", billed)
    payment = ada.post("/payments", {"order": billed["order"]["id"], "payment_method": card})
    stage.require(payment["status"] == "succeeded", "one tap pays the difference", payment)
    up = stage.wait_for(
        lambda: ada.get(f"/subscriptions/{subscription_id}"), lambda answer: answer["plan"] == "platinum"
    )
    stage.tell(
        f"She pays {_dollars(due)}, to the cent what was quoted, and has Platinum until {up['period_ends_at'][:10]}"
    )
    moved = [("payment", payment["id"]), ("invoice", billed["invoice"]["id"])]
    stage.told.setdefault("money moved by", []).extend(moved)


def _leave(stage: Stage, ada: Caller, subscription_id: str) -> None:
    left = ada.post(f"/subscriptions/{subscription_id}/cancel", {"reason": "A year was enough"}, expected=200)
    stage.require(left["has_access"] and left["cancel_at_period_end"], "what is paid for stays hers", left)
    stage.tell(f"She cancels; what she paid for stays hers until {left['period_ends_at'][:10]}")
    _let_pass(stage, ada, months=1)
    ended = ada.get(f"/subscriptions/{subscription_id}")
    stage.require(ended["status"] == "ended", "it ends with its period", ended)
    stage.wait_for(lambda: ada.get("/membership"), lambda answer: answer["plan"] == "free")
    stage.tell("The period is over, and nothing more was charged: she is on the free plan again")


def _open_the_invoices(stage: Stage, ada: Caller, subscription_id: str) -> None:
    invoices = ada.get("/invoices", limit="100")["data"]
    paid = [invoice for invoice in invoices if invoice["status"] == "paid"]
    stage.require(len(paid) == len(invoices), "every invoice is paid", invoices)
    total = sum(invoice["total_minor"] for invoice in paid)
    stage.tell(f"{len(paid)} invoices, {paid[-1]['number']} to {paid[0]['number']}, {_dollars(total)} in all")
    pdf = ada.send("GET", f"/invoices/{paid[0]['id']}/pdf")
    stage.require(pdf.startswith(b"%PDF"), "an invoice is a PDF", pdf[:20])
    findings = run_checks()
    stage.require(not findings, "deferred revenue, credit and months agree with the ledger", findings)
    history = ada.get(f"/subscriptions/{subscription_id}/history", limit="100")["data"]
    steps = " → ".join(dict.fromkeys(change["kind"] for change in reversed(history)))
    stage.tell(f"The newest as PDF: {len(pdf)} bytes. Her history: {steps}")


def _keep_card(ada: Caller, *, script: str) -> str:
    """A card that the platform may charge unasked."""
    body = {"method": "card", "currency": "USD", "mandate": AGREED, "options": {"sandbox": {"scenario": script}}}
    return str(ada.post("/payment-methods", body)["id"])


def _collect_by(ada: Caller, subscription_id: str, card: str) -> None:
    body = {"collected_by": "method", "payment_method": card}
    ada.post(f"/subscriptions/{subscription_id}/collection", body, expected=200)


def _let_pass(stage: Stage, ada: Caller, **by: int) -> None:
    """Only her clock moves, from one due moment to the next."""
    ada.post("/sandbox/clock/advance", {"by": by})
    clock: dict[str, Any] = stage.wait_for(
        lambda: ada.get("/sandbox/clock"), lambda answer: answer["advance"]["status"] != "running"
    )
    stage.require(clock["advance"]["status"] == "done", "her clock arrives", clock)


def _dollars(minor: int) -> str:
    return Money(minor, "USD").format("en")
