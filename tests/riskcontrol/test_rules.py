"""Rules at work: actions, priority, shadow, versions, and what happens when they cannot be evaluated."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction

from merchants.models import Merchant
from paycore.fresh import forget_everything
from paycore.notifications.models import Notification
from riskcontrol import rules
from riskcontrol.decisions import PaymentRefusedByRisk, assess
from riskcontrol.language import Compiled
from riskcontrol.models import Decision, Hit, Rule, RuleVersion
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_user
from tests.riskcontrol.scenes import attempt, journal, pay, rule

pytestmark = pytest.mark.django_db


def test_without_rules_a_payment_is_allowed_with_one_row_and_no_question(
    merchant: Merchant, queries_made: list[str]
) -> None:
    assess(attempt(merchant))  # what is remembered for two seconds is read
    queries_made.clear()

    decision = assess(attempt(merchant))

    assert (decision.action, decision.reasons, queries_made) == ("allow", (), [])
    journal(decision)
    row = Decision.objects.get()
    assert (row.id, row.action, row.refusal, row.facts["amount_minor"]) == (decision.id, "allow", "", 1_000)


@pytest.mark.parametrize("action", ["allow", "challenge", "review"])
def test_a_matching_rule_acts_and_is_named_with_its_version(merchant: Merchant, action: str) -> None:
    made = rule("amount_minor > 500", action)

    decision = assess(attempt(merchant, 501))

    assert decision.as_row() == {"decision": decision.id, "action": action, "reasons": [f"rule:{made.id}@1"]}
    assert assess(attempt(merchant, 500)).reasons == ()
    journal(decision)
    hit = Hit.objects.get()
    assert (hit.decision_id, hit.rule_id, hit.rule_version, hit.is_shadow) == (decision.id, made.id, 1, False)


def test_a_delay_is_the_longest_of_all_that_match(merchant: Merchant) -> None:
    rule("amount_minor > 1", "delay", delay_seconds=30)
    rule("amount_minor > 2", "delay", delay_seconds=90)

    decision = assess(attempt(merchant))

    assert (decision.action, decision.delay_seconds) == ("delay", 90)


def test_a_rejected_payment_is_in_the_journal_and_nowhere_else(merchant: Merchant) -> None:
    made = rule("amount_minor > 500")

    with nothing_changes(), pytest.raises(PaymentRefusedByRisk) as refused:
        assess(attempt(merchant, 501, subject_id="ord_1"))

    assert (refused.value.code, refused.value.http_status, refused.value.extra) == ("payment_refused_by_risk", 403, {})
    row = Decision.objects.get(subject_id="ord_1")
    assert (row.action, row.refusal, row.reasons) == ("reject", "payment_refused_by_risk", [f"rule:{made.id}@1"])


def test_the_most_severe_action_wins_and_names_itself_first(merchant: Merchant) -> None:
    challenge = rule("amount_minor > 1", "challenge", priority=1)
    review = rule("amount_minor > 1", "review", priority=2)
    rule("amount_minor > 10000", "reject", priority=0)

    decision = assess(attempt(merchant))

    assert (decision.action, decision.reasons) == ("review", (f"rule:{review.id}@1", f"rule:{challenge.id}@1"))


def test_a_rule_that_allows_ends_the_look_at_those_after_it(merchant: Merchant) -> None:
    allowing = rule("amount_minor > 1", "allow", priority=5)
    rule("amount_minor > 1", "reject", priority=6)
    watched = rule("amount_minor > 1", "reject", priority=7, mode="shadow")

    decision = assess(attempt(merchant))

    assert (decision.action, decision.reasons) == ("allow", (f"rule:{allowing.id}@1",))
    journal(decision)
    assert set(Hit.objects.values_list("rule_id", "is_shadow")) == {(allowing.id, False), (watched.id, True)}

    rule("amount_minor > 1", "challenge", priority=4)
    assert assess(attempt(merchant)).action == "challenge"


def test_a_shadow_rule_is_counted_and_never_acts(merchant: Merchant) -> None:
    made = rule("amount_minor > 1", "reject", mode="shadow", on_unavailable="fail_closed")

    decision = assess(attempt(merchant))

    assert (decision.action, decision.reasons) == ("allow", ())
    journal(decision)
    assert Hit.objects.get(rule=made).is_shadow is True


def test_a_rule_that_is_off_is_not_looked_at(merchant: Merchant) -> None:
    rule("amount_minor > 1", "reject", mode="off")
    pay(attempt(merchant))
    assert not Hit.objects.exists()


def test_every_change_is_a_version_whoever_makes_it(merchant: Merchant) -> None:
    made = rule("amount_minor > 500", updated_by=make_user(is_staff=True))
    Rule.objects.filter(id=made.id).update(expression="amount_minor > 900")
    Rule.objects.filter(id=made.id).update(expression="amount_minor > 900")
    Rule.objects.filter(id=made.id).update(version=7)
    forget_everything()

    versions = list(RuleVersion.objects.filter(rule=made).order_by("version").values_list("version", "expression"))
    assert versions == [(1, "amount_minor > 500"), (2, "amount_minor > 900")]
    with pytest.raises(PaymentRefusedByRisk):
        assess(attempt(merchant, 901))
    assert Decision.objects.get().reasons == [f"rule:{made.id}@2"]


@pytest.mark.parametrize("table", ["riskcontrol_ruleversion", "riskcontrol_decision", "riskcontrol_hit"])
@pytest.mark.parametrize("deed", ["UPDATE {} SET action = 'allow'", "DELETE FROM {}"])
def test_the_journal_is_append_only(merchant: Merchant, table: str, deed: str) -> None:
    rule("amount_minor > 1", "challenge")
    pay(attempt(merchant))

    with pytest.raises(Error, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(deed.format(table))
    assert (RuleVersion.objects.count(), Decision.objects.count(), Hit.objects.count()) == (1, 1, 1)


def test_a_decision_is_written_once(merchant: Merchant) -> None:
    rule("amount_minor > 1", "challenge")
    decision = assess(attempt(merchant))
    for _copy in range(2):
        journal(decision)
    assert (Decision.objects.count(), Hit.objects.count()) == (1, 1)


@pytest.mark.parametrize(("fallback", "action"), [("fail_open", "allow"), ("fail_closed", "review")])
def test_a_rule_that_raises_does_what_it_says_and_people_are_told_once(
    merchant: Merchant, settings, fallback: str, action: str
) -> None:  # type: ignore[no-untyped-def]
    settings.PAYCORE_ALERTS_TO = ["ops@example.com"]
    made = rule("amount_minor / (amount_minor - 1000) > 1", "review", on_unavailable=fallback)

    decisions = [assess(attempt(merchant)) for _time in range(3)]

    assert {decision.action for decision in decisions} == {action}
    assert f"not_evaluated:rule:{made.id}@1" in decisions[0].reasons
    assert assess(attempt(merchant, 1_001)).action == "review"
    assert Notification.objects.filter(template="alert").count() == 1
    journal(decisions[0])
    assert list(Hit.objects.values_list("is_fallback", flat=True)) == ([True] if action == "review" else [])


def test_rules_that_use_up_their_time_are_not_evaluated(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BUDGET_SECONDS", -1.0)
    rule("amount_minor > 1", "reject", on_unavailable="fail_open")
    closed = rule("amount_minor > 1", "review", on_unavailable="fail_closed")

    decision = assess(attempt(merchant))

    assert decision.action == "review"
    assert decision.reasons[0] == f"rule:{closed.id}@1"


@pytest.mark.parametrize(("spend", "action"), [(time.sleep, "reject"), (lambda seconds: spin(seconds), "allow")])
def test_a_busy_machine_does_not_use_up_the_time_of_rules(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch, spend: Callable[[float], None], action: str
) -> None:
    """Waiting for a processor is not a rule's doing; a loop is."""
    rule("amount_minor < 0", "review", priority=1)
    rule("amount_minor > 1", "reject", priority=2, on_unavailable="fail_open")
    matches = Compiled.matches

    def slowly(self: Compiled, facts: Mapping[str, Any]) -> bool:
        spend(rules.BUDGET_SECONDS * 1.5)
        return matches(self, facts)

    monkeypatch.setattr(Compiled, "matches", slowly)
    if action == "reject":
        with pytest.raises(PaymentRefusedByRisk):
            assess(attempt(merchant))
    else:
        assert assess(attempt(merchant)).action == action


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_rule_that_no_longer_reads_as_one_does_what_it_says(merchant: Merchant) -> None:
    made = rule("amount_minor > 1", "review", on_unavailable="fail_closed")
    Rule.objects.filter(id=made.id).update(expression="a_fact_of_old > 1")
    forget_everything()

    assert assess(attempt(merchant, 1)).reasons == (f"rule:{made.id}@2", f"not_evaluated:rule:{made.id}@2")


def test_a_broken_rule_cannot_be_saved_through_a_form() -> None:
    with pytest.raises(ValidationError, match="Did you mean amount_minor"):
        rule("amount_minr > 1")
    assert not Rule.objects.exists()


def test_what_the_house_knows_of_a_payer_is_there_for_rules(merchant: Merchant) -> None:
    user = make_user()
    rule("user_age_days < 7 and kyc_level == 0 and is_first_purchase and user_rating == 0", "review")
    rule("is_new_device", "challenge")

    first = assess(attempt(merchant, user_id=user.id, device_id="phone"))
    assert (first.action, len(first.reasons)) == ("review", 2)
    journal(first)

    second = assess(attempt(merchant, user_id=user.id, device_id="phone"))
    assert (second.action, second.reasons) == ("allow", ())
    assert second.journal["facts"]["is_first_purchase"] is False
    assert assess(attempt(merchant, user_id=user.id, device_id="laptop")).action == "challenge"
    assert assess(attempt(merchant, device_id="phone")).action == "review"
