"""Rules as staff write, try and switch them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.money import Money
from riskcontrol.backtest import replay
from riskcontrol.decisions import PaymentRefusedByRisk, assess
from riskcontrol.facts import FACTS
from riskcontrol.models import Decision, Outcome, Rule, RuleVersion
from tests.riskcontrol.scenes import attempt, journal_row, pay, rule

pytestmark = pytest.mark.django_db

RULES = "ops:riskcontrol_rule"
FORM = {
    "name": "Large ones",
    "description": "",
    "expression": "amount_minor > 500",
    "action": "reject",
    "delay_seconds": "0",
    "priority": "50",
    "on_unavailable": "fail_open",
}


def change_page(made: Rule) -> str:
    return reverse(f"{RULES}_change", args=[quote(made.id)])


def switch(client: Client, made: Rule, deed: str) -> Any:
    address = reverse(f"{RULES}_{deed}", args=[quote(made.id)])
    return client.post(address, {"_form_submitted": "on"}, follow=True)


def try_out(client: Client, expression: str, *, most: str = "500", **headers: str) -> Any:
    return client.post(reverse(f"{RULES}_tryout"), FORM | {"expression": expression, "most": most}, headers=headers)


def test_a_new_rule_begins_in_shadow_with_its_authors_name(ops: Client, boss: User, merchant: Merchant) -> None:
    answer = ops.post(reverse(f"{RULES}_add"), FORM | {"mode": "active"})

    assert answer.status_code == 302
    made = Rule.objects.get()
    assert (made.mode, made.version, made.updated_by) == ("shadow", 1, boss)
    assert assess(attempt(merchant, 1_000)).action == "allow"


def test_an_activated_rule_acts_at_once_and_a_switched_off_one_no_more(
    ops: Client, boss: User, merchant: Merchant
) -> None:
    made = rule("amount_minor > 500", mode="shadow")
    assert assess(attempt(merchant, 1_000)).action == "allow"

    switch(ops, made, "activate")
    with pytest.raises(PaymentRefusedByRisk):
        assess(attempt(merchant, 1_000))

    switch(ops, made, "switch_off")
    assert assess(attempt(merchant, 1_000)).action == "allow"
    made.refresh_from_db()
    assert (made.mode, made.version, made.updated_by) == ("off", 3, boss)


def test_switching_to_the_same_mode_makes_no_version(ops: Client) -> None:
    made = rule("amount_minor > 500", mode="shadow")

    switch(ops, made, "to_shadow")

    assert RuleVersion.objects.filter(rule=made).count() == 1


def test_a_rule_that_is_no_longer_valid_is_not_activated(ops: Client) -> None:
    made = rule("amount_minor > 500", mode="off")
    Rule.objects.filter(id=made.id).update(expression="dropped_fact > 500")

    answer = switch(ops, made, "activate").content.decode()

    made.refresh_from_db()
    assert "no longer valid" in answer
    assert "dropped_fact" in answer
    assert made.mode == "off"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("amount_mino > 500", "Did you mean amount_minor?"),
        ("amount_minor", "must be true or false"),
        ("currency == 5", "that is never true"),
        ('currency =~ "U.*"', "regular expressions"),
        ("amount_minor > ", "cannot be read"),
    ],
)
def test_a_wrong_condition_is_refused_with_what_is_wrong(ops: Client, expression: str, said: str) -> None:
    answer = ops.post(reverse(f"{RULES}_add"), FORM | {"expression": expression})

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Rule.objects.exists()


@pytest.mark.parametrize(("action", "delay"), [("delay", "0"), ("delay", "86401"), ("reject", "5")])
def test_a_delay_belongs_to_the_action_delay(ops: Client, action: str, delay: str) -> None:
    answer = ops.post(reverse(f"{RULES}_add"), FORM | {"action": action, "delay_seconds": delay})

    assert answer.status_code == 200
    assert not Rule.objects.exists()


def test_a_changed_rule_keeps_its_mode_and_shows_what_changed(ops: Client) -> None:
    made = rule("amount_minor > 500", name="Large ones", priority=50)

    answer = ops.post(change_page(made), FORM | {"expression": "amount_minor > 900", "seen_version": "1"})

    assert answer.status_code == 302
    made.refresh_from_db()
    assert (made.expression, made.mode, made.version) == ("amount_minor > 900", "active", 2)
    text = ops.get(change_page(made)).content.decode()
    assert '<del class="risk-gone">500</del><ins class="risk-new">900</ins>' in text


def test_what_a_rule_says_is_shown_as_text(ops: Client) -> None:
    made = rule('device_id == "<script>alert(1)</script>"', name="<b>x</b>")
    Rule.objects.filter(id=made.id).update(expression='device_id == "<i>"')

    text = ops.get(change_page(made)).content.decode()

    assert "<script>alert(1)" not in text
    assert "<b>x</b>" not in text
    assert "<i>" not in text


def test_a_change_made_meanwhile_is_not_overwritten(ops: Client) -> None:
    made = rule("amount_minor > 500", name="Large ones")
    Rule.objects.filter(id=made.id).update(priority=7)

    for seen in ("1", ""):
        answer = ops.post(change_page(made), FORM | {"expression": "amount_minor > 900", "seen_version": seen})
        assert "changed meanwhile" in answer.content.decode()

    made.refresh_from_db()
    assert (made.expression, made.priority, made.version) == ("amount_minor > 500", 7, 2)


def test_the_editor_shows_every_fact(ops: Client) -> None:
    text = ops.get(reverse(f"{RULES}_add")).content.decode()

    assert all(f"<code>{fact.name}</code>" in text for fact in FACTS)
    assert "The payer has an account." in text


def test_the_list_shows_hits_and_would_be_hits(ops: Client, merchant: Merchant) -> None:
    acting = rule("amount_minor > 10", "review", name="Acts")
    shadow = rule("amount_minor > 10", "reject", name="Watches", mode="shadow")
    decision = pay(attempt(merchant, 50))
    for days in (3, 30):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO riskcontrol_hit "
                "(decision_id, rule_id, rule_version, action, is_shadow, is_fallback, happened_at) "
                "VALUES (%s, %s, 1, 'review', false, false, clock_timestamp() - make_interval(days => %s))",
                [decision, acting.id, days],
            )

    answer = ops.get(reverse(f"{RULES}_changelist"))

    shown = {row.name: row.hit_counts for row in answer.context["cl"].result_list}
    acted, watched = shown[acting.name], shown[shadow.name]
    assert (acted.day, acted.week, acted.quarter, acted.shadow_quarter) == (1, 2, 3, 0)
    assert (watched.quarter, watched.shadow_day, watched.shadow_quarter) == (0, 1, 1)
    assert "1 in shadow" in answer.content.decode()


def test_rules_are_found_filtered_and_ordered(ops: Client) -> None:
    first, second = rule("amount_minor > 1", "review", priority=9), rule("kyc_level == 0", mode="off", priority=3)
    page = reverse(f"{RULES}_changelist")

    def shown(**query: str) -> tuple[bool, bool]:
        text = ops.get(page, query).content.decode()
        return first.name in text, second.name in text

    assert shown(q="kyc_level") == (False, True)
    assert shown(mode__exact="active") == (True, False)
    assert shown(action__exact="review") == (True, False)
    text = ops.get(page).content.decode()
    assert text.index(second.name) < text.index(first.name)


def test_the_list_asks_as_often_for_twelve_as_for_two(ops: Client, queries_made: list[str]) -> None:
    def asked() -> int:
        queries_made.clear()
        assert ops.get(reverse(f"{RULES}_changelist")).status_code == 200
        return len(queries_made)

    rule("amount_minor > 1"), rule("amount_minor > 2")
    asked()
    few = asked()
    for minor in range(3, 13):
        rule(f"amount_minor > {minor}")
    assert asked() == few


def test_who_may_only_look_changes_nothing(staff_who_may: Callable[..., Client]) -> None:
    made = rule("amount_minor > 500", mode="shadow")
    client = staff_who_may("view_rule")

    assert made.name in client.get(reverse(f"{RULES}_changelist")).content.decode()
    assert client.get(change_page(made)).status_code == 200
    for deed in ("activate", "to_shadow", "switch_off"):
        assert switch(client, made, deed).status_code == 403
    assert client.post(change_page(made), FORM | {"seen_version": "1"}).status_code == 403
    assert client.post(reverse(f"{RULES}_add"), FORM).status_code == 403
    assert try_out(client, "amount_minor > 1").status_code == 403
    made.refresh_from_db()
    assert (made.mode, made.version) == ("shadow", 1)


def test_no_rule_is_deleted(ops: Client) -> None:
    made = rule("amount_minor > 500")

    assert ops.post(reverse(f"{RULES}_delete", args=[quote(made.id)]), {"post": "yes"}).status_code == 403
    assert Rule.objects.count() == 1


def test_a_draft_is_tried_on_the_journal_and_nothing_is_kept(ops: Client, merchant: Merchant) -> None:
    large = [pay(attempt(merchant, minor)) for minor in (600, 700)]
    small = pay(attempt(merchant, 100))
    Outcome.objects.create(decision_id=large[0], kind="disputed", occasion="dsp_1")

    text = try_out(ops, "amount_minor > 500", **{"HX-Request": "true"}).content.decode()

    assert "Matches 2 of 3 decisions" in text
    assert "66.7 %" in text
    assert "$13.00" in text
    assert "Disputed" in text
    assert large[0] in text
    assert small not in text
    assert "<html" not in text
    assert not Rule.objects.exists()
    assert Decision.objects.count() == 3


def test_a_draft_that_is_wrong_says_why_and_without_script_there_is_a_page(ops: Client) -> None:
    text = try_out(ops, "amount_mino > 1").content.decode()

    assert "Did you mean amount_minor?" in text
    assert "<html" in text
    assert "risk-error" in try_out(ops, "not " * 600 + "is_known_user").content.decode()
    assert ops.get(reverse(f"{RULES}_tryout")).status_code == 405


def test_decisions_that_lack_a_fact_are_counted_apart(merchant: Merchant) -> None:
    for minor in (100, 900):
        pay(attempt(merchant, minor))

    found = replay("user_count_1h > 3 and amount_minor > 1", most=100)

    assert (found.looked_at, found.matched, found.cannot_tell) == (2, 0, 2)
    assert found.missing == {"user_count_1h": 2}


def test_a_try_out_looks_at_the_newest_and_stops_in_time(merchant: Merchant) -> None:
    for minor in range(1, 8):
        pay(attempt(merchant, minor))

    newest = replay("amount_minor > 0", most=3)
    ticks = iter([0.0, 9.0])
    late = replay("amount_minor > 0", most=7, seconds=4.0, clock=lambda: next(ticks))

    # Ids of one millisecond sort by chance: what is newest is asked of the table.
    expected = sum(row.amount_minor for row in Decision.objects.order_by("-id")[:3])
    assert (newest.looked_at, newest.totals) == (3, [Money(expected, "USD")])
    assert (late.looked_at, late.is_cut_short) == (0, True)


def test_a_try_out_pages_through_the_journal_once(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskcontrol.backtest._BATCH", 2)
    for minor in range(1, 8):
        pay(attempt(merchant, minor))

    found = replay("amount_minor > 0", most=100)

    assert (found.looked_at, found.matched, found.totals) == (7, 7, [Money(28, "USD")])


def test_a_decision_on_which_a_rule_fails_is_not_a_match(merchant: Merchant) -> None:
    journal_row(merchant, ago=timedelta(hours=1), facts='{"amount_minor": 0}')

    found = replay("1 / amount_minor > 0", most=10)

    assert (found.matched, found.cannot_tell, dict(found.missing)) == (0, 1, {})
