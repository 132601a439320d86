"""The journal, the ratings and the overview as staff read them."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.clock import now
from riskcontrol.admin.dashboard import decisions_made
from riskcontrol.decisions import PaymentRefusedByRisk
from riskcontrol.history import past_of
from riskcontrol.lists import add_entry
from riskcontrol.models import Decision, ListEntry, Outcome, Rating, RiskList
from tests.merchants.factories import make_merchant, make_user
from tests.riskcontrol.scenes import attempt, journal_row, limit, pay, rule

pytestmark = pytest.mark.django_db

DECISIONS, RATINGS = "ops:riskcontrol_decision", "ops:riskcontrol_rating"


def found(client: Client, name: str = DECISIONS, **query: Any) -> list[str]:
    answer = client.get(reverse(f"{name}_changelist"), query)
    assert answer.status_code == 200
    return sorted(str(row.pk) for row in answer.context["cl"].result_list)


def page(client: Client, decision_id: str) -> str:
    text: str = client.get(reverse(f"{DECISIONS}_change", args=[quote(decision_id)])).content.decode()
    return text


def refused(merchant: Merchant, **known: Any) -> str:
    with pytest.raises(PaymentRefusedByRisk):
        pay(attempt(merchant, **known))
    return Decision.objects.latest("decided_at").id


def test_a_decision_is_found_by_whatever_it_came_from(ops: Client, merchant: Merchant) -> None:
    payer, other = make_user(), make_merchant()
    known = {"user_id": payer.id, "ip": "203.0.113.9", "device_id": "dev-1", "payment_method_key": "pm-1"}
    wanted = pay(attempt(merchant, subject_id="ord_wanted", **known))
    pay(attempt(other, ip="2001:db8::1"))

    for term in (wanted, "ord_wanted", payer.id, merchant.id, "203.0.113.9", "dev-1", "pm-1"):
        assert found(ops, q=term) == [wanted], term
    assert found(ops, q="ord_wante") == []
    assert len(found(ops, q="2001:db8::ffff")) == 1
    assert found(ops, q="pay_unknown") == []


def test_decisions_are_filtered_by_action_rule_merchant_and_day(ops: Client, merchant: Merchant) -> None:
    watching = rule("amount_minor > 500", "review", mode="shadow")
    rule("amount_minor > 5000", "reject")
    small, large = pay(attempt(merchant, 100)), pay(attempt(make_merchant(), 900))
    stopped = refused(merchant, minor=9_000)
    today = now().date()

    assert found(ops, action__exact="reject") == [stopped]
    assert found(ops, rule=watching.id) == sorted([large, stopped])
    assert found(ops, merchant__id__exact=merchant.id) == sorted([small, stopped])
    yesterday = (today - timedelta(days=1)).isoformat()  # should midnight pass during the test
    assert len(found(ops, decided_at_from=yesterday, decided_at_to=(today + timedelta(days=1)).isoformat())) == 3
    assert found(ops, decided_at_to=(today - timedelta(days=2)).isoformat()) == []


def test_a_decision_shows_facts_reasons_and_rules_also_in_shadow(ops: Client, merchant: Merchant) -> None:
    acting = rule("amount_minor > 500", "reject", name="Too much")
    rule('method == "card"', "review", name="Only watching", mode="shadow")
    payer = make_user()
    pay(attempt(merchant, 100, user_id=payer.id))

    text = page(ops, refused(merchant, minor=900, user_id=payer.id))

    assert "Rule: Too much" in text
    assert reverse("ops:riskcontrol_rule_change", args=[quote(acting.id)]) in text
    assert "Only watching" in text
    assert "Shadow: only counted" in text
    assert "payment_refused_by_risk" in text
    assert "<code" in text
    assert "amount_minor" in text


def test_a_decision_by_a_list_and_one_over_a_limit_say_so(ops: Client, merchant: Merchant) -> None:
    limit(500)
    over = refused(merchant, minor=900)
    blocked = RiskList.objects.create(name="bad_devices", effect="block")
    add_entry(risk_list=blocked, kind="device", value="dev-1", reason="x", added_by_id=None)

    assert "Over a limit" in page(ops, over)
    assert "On the list bad_devices" in page(ops, refused(merchant, minor=1, device_id="dev-1"))


def test_hostile_facts_are_shown_as_text(ops: Client, merchant: Merchant) -> None:
    wanted = pay(attempt(merchant, device_id="<script>alert(1)</script>"))

    assert "<script>alert(1)" not in page(ops, wanted)
    assert "<script>alert(1)" not in ops.get(reverse(f"{DECISIONS}_changelist")).content.decode()


def test_the_device_of_a_decision_goes_on_a_list(ops: Client, boss: User, merchant: Merchant) -> None:
    blocked = RiskList.objects.create(name="blocked", effect="block")
    decision = pay(attempt(merchant, device_id="dev-1"))
    address = reverse(f"{DECISIONS}_put_on_list", args=[quote(decision)])

    posted = {"_form_submitted": "on", "what": "device", "risk_list": blocked.id, "reason": "stolen", "expires": ""}
    ops.post(address, posted, follow=True)

    entry = ListEntry.objects.get()
    assert (entry.kind, entry.value, entry.expires_at, entry.added_by) == ("device", "dev-1", None, boss)
    refused(merchant, minor=1, device_id="dev-1")


def test_who_may_only_look_puts_nothing_on_a_list(staff_who_may: Callable[..., Client], merchant: Merchant) -> None:
    blocked = RiskList.objects.create(name="blocked", effect="block")
    decision = pay(attempt(merchant, device_id="dev-1"))
    client = staff_who_may("view_decision")
    address = reverse(f"{DECISIONS}_put_on_list", args=[quote(decision)])

    assert found(client) == [decision]
    posted = {"_form_submitted": "on", "what": "device", "risk_list": blocked.id, "reason": "stolen"}
    assert client.post(address, posted).status_code == 403
    assert not ListEntry.objects.exists()


def test_who_has_no_right_to_the_journal_sees_none_of_it(staff_who_may: Callable[..., Client]) -> None:
    client = staff_who_may("view_case")

    assert client.get(reverse(f"{DECISIONS}_changelist")).status_code == 403
    assert client.get(reverse(f"{RATINGS}_changelist")).status_code == 403


def test_the_journal_is_neither_edited_nor_deleted(ops: Client, merchant: Merchant) -> None:
    decision = pay(attempt(merchant, 100))

    assert ops.post(reverse(f"{DECISIONS}_change", args=[quote(decision)]), {"action": "allow"}).status_code == 403
    assert ops.post(reverse(f"{DECISIONS}_delete", args=[quote(decision)]), {"post": "yes"}).status_code == 403
    assert ops.get(reverse(f"{DECISIONS}_add")).status_code == 403
    assert Decision.objects.count() == 1


def test_the_journal_asks_as_often_for_twelve_as_for_two(
    ops: Client, merchant: Merchant, queries_made: list[str]
) -> None:
    def asked() -> int:
        queries_made.clear()
        assert len(found(ops)) > 1
        return len(queries_made)

    rule("amount_minor > 1", "review")
    for _number in range(2):
        pay(attempt(merchant, user_id=make_user().id))
    asked()
    few = asked()
    for _number in range(10):
        pay(attempt(merchant, user_id=make_user().id))
    assert asked() == few
    assert not any("COUNT(" in sql and "riskcontrol_decision" in sql for sql in queries_made)


def test_the_past_counts_what_is_known_of_a_device(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pay(attempt(merchant, device_id="dev-1"))
    pay(attempt(merchant, device_id="dev-1"))
    pay(attempt(merchant, device_id="dev-2"))
    Outcome.objects.create(decision_id=first, kind="disputed", occasion="dsp_1")

    past = past_of("device_id", "dev-1", now=now())
    assert (past.attempts, past.today, past.actions, past.outcomes) == (2, 2, {"allow": 2}, {"disputed": 1})

    monkeypatch.setattr("riskcontrol.history.MOST", 1)
    cut = past_of("device_id", "dev-1", now=now())
    assert (cut.attempts, cut.is_cut) == (1, True)
    with pytest.raises(ValueError, match="subject_id"):
        past_of("subject_id", "x", now=now())


def rate(score: int, grade: str, *, on: date, **whose: Any) -> Rating:
    reasons = {"disputes": 2, "refunds": 0, "hits": 1, "failures": 0, "attempts": 9, "points": {"disputes": 30}}
    return Rating.objects.create(score=score, grade=grade, rated_on=on, reasons=reasons, **whose)


def test_the_latest_ratings_come_worst_first_with_their_reasons(ops: Client, merchant: Merchant) -> None:
    payer, worse = make_user(), make_user()
    rate(10, "A", on=date(2026, 1, 1), user=payer)
    latest = rate(40, "C", on=date(2026, 1, 2), user=payer)
    worst = rate(90, "E", on=date(2026, 1, 1), user=worse)
    business = rate(5, "A", on=date(2026, 1, 1), merchant=merchant)

    answer = ops.get(reverse(f"{RATINGS}_changelist"))
    assert [row.pk for row in answer.context["cl"].result_list] == [worst.pk, latest.pk]
    assert "Disputes" in answer.content.decode()
    assert found(ops, RATINGS, who="merchant") == [str(business.pk)]
    assert found(ops, RATINGS, q=payer.email) == [str(latest.pk)]
    assert found(ops, RATINGS, q=merchant.id, who="merchant") == [str(business.pk)]
    assert found(ops, RATINGS, grade__exact="E") == [str(worst.pk)]


def test_a_rating_shows_how_it_came_to_be(ops: Client) -> None:
    payer = make_user()
    rate(11, "A", on=date(2026, 1, 1), user=payer)
    latest = rate(47, "C", on=date(2026, 1, 2), user=payer)

    answer = ops.get(reverse(f"{RATINGS}_change", args=[latest.pk]))

    assert answer.context["chart"].series[0].values == [11, 47]
    assert answer.context["chart"].labels == ["2026-01-01", "2026-01-02"]
    assert len(answer.context["panels"][0].rows) == 2


def test_the_ratings_ask_as_often_for_twelve_as_for_two(ops: Client, queries_made: list[str]) -> None:
    def asked() -> int:
        queries_made.clear()
        assert len(found(ops, RATINGS)) > 1
        return len(queries_made)

    for number in range(2):
        rate(number, "A", on=date(2026, 1, 1), user=make_user())
    asked()
    few = asked()
    for number in range(2, 12):
        rate(number, "A", on=date(2026, 1, 1), user=make_user())
    assert asked() == few


def test_the_overview_tells_of_a_day_by_action_and_by_rule(boss: User, merchant: Merchant) -> None:
    rule("amount_minor > 500", "reject", name="Too much")
    rule("amount_minor > 0", "review", name="Watching", mode="shadow")
    pay(attempt(merchant, 100))
    refused(merchant, minor=900)
    journal_row(merchant, ago=timedelta(minutes=1), action="allow")
    request = RequestFactory().get("/ops/")

    request.user = boss
    shown = decisions_made(request)
    by_action = {str(series.title): sum(series.values) for series in shown.charts[0].series}
    by_rule = dict(zip(shown.charts[1].labels, shown.charts[1].series[0].values, strict=True))

    assert (shown.cards[0].value, shown.cards[0].detail) == ("3", "Rejected or under review: 1")
    assert by_action == {"Allow": 2, "Reject": 1}
    assert by_rule == {"Too much": 1, "Watching": 0}
    assert list(shown.charts[1].series[1].values) == [0, 2]

    request.user = make_user(is_staff=True)
    assert decisions_made(request).cards == ()


@pytest.mark.parametrize(("state", "tone"), [("ok", "good"), ("rebuilding", "warning"), ("away", "bad")])
def test_the_overview_tells_whether_the_counters_count(
    boss: User, monkeypatch: pytest.MonkeyPatch, state: str, tone: str
) -> None:
    monkeypatch.setattr("riskcontrol.admin.dashboard.store_state", lambda: state)
    request = RequestFactory().get("/ops/")
    request.user = boss

    assert decisions_made(request).cards[1].tone == tone
