"""Cases as staff see, take and decide them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.models import OutboxMessage
from riskcontrol.admin import waiting_cases
from riskcontrol.cases import decide_case
from riskcontrol.models import Case, Decision, ListEntry, RiskList
from tests.merchants.factories import make_user
from tests.riskcontrol.scenes import attempt, pay, rule

pytestmark = pytest.mark.django_db

CASES = "ops:riskcontrol_case_changelist"


def act(client: Client, case: Case, deed: str, **fields: Any) -> Any:
    address = reverse(f"ops:riskcontrol_case_{deed}", args=[quote(case.id)])
    return client.post(address, {"_form_submitted": "on", **fields}, follow=True)


def resolve(client: Client, case: Case, note: str = "checked by phone") -> Any:
    return act(client, case, "resolve", note=note)


def page(client: Client, case: Case) -> str:
    text: str = client.get(reverse("ops:riskcontrol_case_change", args=[quote(case.id)])).content.decode()
    return text


def bulk(client: Client, deed: str, *cases: Case, **fields: Any) -> Any:
    posted = {"action": deed, "_selected_action": [case.id for case in cases], "index": "0", **fields}
    return client.post(reverse(CASES), posted, follow=True)


@pytest.fixture
def case(merchant: Merchant) -> Case:
    return Case.objects.create(
        kind="stuck", object_id="pay_01jd", merchant=merchant, facts={"status": "submitting", "asked": {"times": 9}}
    )


@pytest.fixture
def make_review(merchant: Merchant) -> Callable[..., Case]:
    def make(object_id: str = "pay_01review", *, left: timedelta = timedelta(hours=5), **known: Any) -> Case:
        payer = known.pop("user", None) or make_user()
        decision = pay(attempt(merchant, 4_200, user_id=payer.id, ip="203.0.113.9", device_id="dev-1", **known))
        until = datetime.now(UTC) + left
        facts = {"decision": decision, "reasons": ["rule:x@1"], "decide_by": until.isoformat(timespec="seconds")}
        return Case.objects.create(kind="risk_review", object_id=object_id, merchant=merchant, facts=facts)

    return make


@pytest.fixture
def review(make_review: Callable[..., Case]) -> Case:
    return make_review()


def test_a_case_leads_to_what_it_is_about(ops: Client, case: Case) -> None:
    text = page(ops, case)

    assert reverse("ops:payments_payment_change", args=[quote("pay_01jd")]) in text
    assert "submitting" in text
    assert "times: 9" in text


def test_a_case_about_nothing_known_is_shown_without_a_link(ops: Client) -> None:
    Case.objects.create(kind="unknown_payment", object_id="<b>anything</b>", facts={})
    Case.objects.create(kind="unknown_payment", object_id="pay_theirs", facts={})

    text = ops.get(reverse(CASES)).content.decode()

    assert "&lt;b&gt;anything" in text
    assert reverse("ops:payments_payment_change", args=[quote("pay_theirs")]) not in text


def test_open_cases_come_first(ops: Client, case: Case) -> None:
    closed = Case.objects.create(kind="stuck", object_id="pay_02", status="resolved")

    text = ops.get(reverse(CASES)).content.decode()

    assert text.index(case.id) < text.index(closed.id)


def test_a_person_resolves_a_case_with_a_note(ops: Client, boss: User, case: Case) -> None:
    answer = resolve(ops, case)

    case.refresh_from_db()
    assert "The case is closed." in answer.content.decode()
    assert (case.status, case.resolution, case.resolved_by) == ("resolved", "checked by phone", boss)
    assert case.resolved_at is not None


def test_a_case_is_not_resolved_twice(ops: Client, case: Case) -> None:
    resolve(ops, case)
    again = resolve(ops, case, note="and again")

    case.refresh_from_db()
    assert "decided this case already" in again.content.decode()
    assert case.resolution == "checked by phone"


def test_resolving_an_old_case_leaves_the_open_one_about_the_same_object(ops: Client, case: Case) -> None:
    old = Case.objects.create(kind="stuck", object_id=case.object_id, status="resolved", resolution="first time")

    resolve(ops, old)

    case.refresh_from_db()
    old.refresh_from_db()
    assert (case.status, old.resolution) == ("open", "first time")


@pytest.mark.parametrize(("kind", "note"), [("stuck", ""), ("surplus_payment", "seen"), ("risk_review", "seen")])
def test_a_case_needs_a_note_surplus_money_a_deed_and_a_review_a_verdict(ops: Client, kind: str, note: str) -> None:
    case = Case.objects.create(kind=kind, object_id="pay_03")

    resolve(ops, case, note=note)

    case.refresh_from_db()
    assert (case.status, case.resolution) == ("open", "")


@pytest.mark.parametrize("deed", ["resolve", "approve", "reject", "take", "release", "put_on_list"])
def test_who_may_only_look_does_nothing(staff_who_may: Callable[..., Client], review: Case, deed: str) -> None:
    client = staff_who_may("view_case")

    assert client.get(reverse(CASES)).status_code == 200
    assert act(client, review, deed, note="hello").status_code == 403
    review.refresh_from_db()
    assert (review.status, review.assignee_id) == ("open", None)
    assert not OutboxMessage.objects.exists()
    assert "203.0.113.9" not in page(client, review)


@pytest.mark.parametrize(("deed", "verdict"), [("approve", "approved"), ("reject", "rejected")])
def test_a_review_is_decided_with_name_and_note(ops: Client, boss: User, review: Case, deed: str, verdict: str) -> None:
    answer = act(ops, review, deed, note="called the payer")

    review.refresh_from_db()
    assert verdict.capitalize() in answer.content.decode()
    assert (review.status, review.verdict, review.resolution) == ("resolved", verdict, "called the payer")
    assert review.resolved_by == boss
    assert OutboxMessage.objects.filter(event__name="case.decided").exists()


def test_a_review_is_not_decided_without_a_note(ops: Client, review: Case) -> None:
    act(ops, review, "approve", note=" ")

    review.refresh_from_db()
    assert review.status == "open"
    assert not OutboxMessage.objects.exists()


def test_a_second_verdict_is_told_and_changes_nothing(ops: Client, review: Case) -> None:
    other = make_user(is_staff=True)
    decide_case(case_id=review.id, verdict="approved", note="fine", by_id=other.id)
    told = OutboxMessage.objects.count()

    answer = act(ops, review, "reject", note="no")

    review.refresh_from_db()
    assert "decided this case already" in answer.content.decode()
    assert (review.verdict, review.resolution, review.resolved_by) == ("approved", "fine", other)
    assert OutboxMessage.objects.count() == told


def test_only_a_review_gets_a_verdict(ops: Client, case: Case) -> None:
    answer = act(ops, case, "approve", note="why not")

    case.refresh_from_db()
    assert "Only a risk review" in answer.content.decode()
    assert (case.status, case.verdict) == ("open", "")
    assert not OutboxMessage.objects.exists()


def test_a_review_offers_verdicts_and_a_stuck_payment_does_not(ops: Client, review: Case, case: Case) -> None:
    approve = "ops:riskcontrol_case_approve"

    assert reverse(approve, args=[quote(review.id)]) in page(ops, review)
    assert reverse(approve, args=[quote(case.id)]) not in page(ops, case)


def test_a_review_shows_the_decision_the_rules_and_the_payers_past(
    ops: Client, make_review: Callable[..., Case]
) -> None:
    made = rule("amount_minor > 10", "review", name="Anything at all")
    payer = make_user()
    make_review("pay_earlier", user=payer)
    review = make_review("pay_now", user=payer)

    text = page(ops, review)

    assert "$42.00" in text
    assert "Anything at all" in text
    assert reverse("ops:riskcontrol_rule_change", args=[quote(made.id)]) in text
    assert reverse("ops:accounts_user_change", args=[quote(payer.id)]) in text
    assert "203.0.113.9" in text
    assert "Before and since" in text
    assert "4\xa0hours" in text


def test_a_review_that_nobody_decided_in_time_says_so(ops: Client, make_review: Callable[..., Case]) -> None:
    make_review(left=timedelta(minutes=-1))

    assert "Time is up" in ops.get(reverse(CASES)).content.decode()


def test_facts_that_are_no_date_do_not_break_the_page(ops: Client) -> None:
    case = Case.objects.create(kind="risk_review", object_id="pay_x", facts={"decide_by": [1], "decision": 7})

    assert "Facts" in page(ops, case)


def test_a_case_is_taken_by_one_and_given_back(ops: Client, boss: User, review: Case) -> None:
    act(ops, review, "take")
    review.refresh_from_db()
    assert review.assignee == boss

    rival = Client()
    rival.force_login(make_user(is_staff=True, is_superuser=True))
    answer = act(rival, review, "take")
    review.refresh_from_db()
    assert "Somebody else works" in answer.content.decode()
    assert review.assignee == boss

    act(ops, review, "release")
    review.refresh_from_db()
    assert review.assignee is None


def test_the_queue_is_filtered_by_who_took_it_and_found_by_id(ops: Client, review: Case, case: Case) -> None:
    act(ops, review, "take")

    mine = ops.get(reverse(CASES), {"taken": "me"}).content.decode()
    free = ops.get(reverse(CASES), {"taken": "nobody"}).content.decode()
    found = ops.get(reverse(CASES), {"q": case.object_id}).content.decode()

    assert (review.id in mine, case.id in mine) == (True, False)
    assert (review.id in free, case.id in free) == (False, True)
    assert (review.id in found, case.id in found) == (False, True)


def test_many_are_decided_only_after_a_preview(ops: Client, make_review: Callable[..., Case], case: Case) -> None:
    reviews = [make_review("pay_a"), make_review("pay_b")]

    preview = bulk(ops, "approve_selected", *reviews, case).content.decode()
    assert all(one.id in preview for one in reviews)
    assert "$42.00" in preview
    assert "1 chosen case is no open risk review" in preview
    assert not Case.objects.filter(status="resolved").exists()

    bulk(ops, "approve_selected", *reviews, confirmed="yes", note="")
    assert not Case.objects.filter(status="resolved").exists()

    answer = bulk(ops, "approve_selected", *reviews, confirmed="yes", note="all known").content.decode()
    assert "2 cases were decided." in answer
    assert set(Case.objects.filter(status="resolved").values_list("id", "verdict", "resolution")) == {
        (one.id, "approved", "all known") for one in reviews
    }
    case.refresh_from_db()
    assert case.status == "open"


def test_of_many_what_somebody_decided_meanwhile_is_told_and_stays(
    ops: Client, make_review: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_review("pay_a"), make_review("pay_b")
    rival = make_user(is_staff=True)
    seen: list[str] = []

    def decide_late(*, case_id: str, **rest: Any) -> Case:
        if not seen:
            decide_case(case_id=first.id, verdict="approved", note="quicker", by_id=rival.id)
        seen.append(case_id)
        return decide_case(case_id=case_id, **rest)

    monkeypatch.setattr("riskcontrol.admin.bulk_decisions.decide_case", decide_late)

    answer = bulk(ops, "reject_selected", first, second, confirmed="yes", note="no").content.decode()

    first.refresh_from_db()
    second.refresh_from_db()
    assert "1 case was decided." in answer
    assert first.id in answer
    assert (first.verdict, second.verdict) == ("approved", "rejected")


def test_many_are_not_decided_by_who_may_only_look(staff_who_may: Callable[..., Client], review: Case) -> None:
    bulk(staff_who_may("view_case"), "approve_selected", review, confirmed="yes", note="me")

    review.refresh_from_db()
    assert review.status == "open"


def test_the_payer_of_a_review_goes_on_a_list(ops: Client, boss: User, review: Case) -> None:
    blocked = RiskList.objects.create(name="blocked", effect="block")
    decision = Decision.objects.get(id=review.facts["decision"])

    act(ops, review, "put_on_list", what="user", risk_list=blocked.id, reason="stolen card", expires="7")

    entry = ListEntry.objects.get()
    assert (entry.risk_list, entry.kind, entry.value) == (blocked, "user", decision.user_id)
    assert (entry.reason, entry.added_by) == ("stolen card", boss)
    assert entry.expires_at is not None
    assert abs(entry.expires_at - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


def test_only_what_the_decision_knows_goes_on_a_list(ops: Client, review: Case) -> None:
    blocked = RiskList.objects.create(name="blocked", effect="block")

    act(ops, review, "put_on_list", what="payment_method", risk_list=blocked.id, reason="x")
    act(ops, review, "put_on_list", what="user", risk_list=blocked.id, reason="")

    assert not ListEntry.objects.exists()


def test_the_queue_asks_as_often_for_twelve_as_for_two(
    ops: Client, make_review: Callable[..., Case], queries_made: list[str]
) -> None:
    def asked() -> int:
        queries_made.clear()
        assert ops.get(reverse(CASES)).status_code == 200
        return len(queries_made)

    make_review("pay_0"), make_review("pay_1")
    asked()
    few = asked()
    for number in range(2, 12):
        make_review(f"pay_{number}")
    assert asked() == few


def test_the_overview_counts_what_waits(boss: User, case: Case, review: Case) -> None:
    Case.objects.create(kind="stuck", object_id="pay_02", status="resolved")
    request = RequestFactory().get("/ops/")

    request.user = boss
    cases, reviews = waiting_cases(request).cards
    assert (cases.value, cases.tone) == ("2", "warning")
    assert (reviews.value, reviews.tone) == ("1", "warning")
    assert "4\xa0hours" in str(reviews.detail)

    Case.objects.filter(id=review.id).update(facts={"decide_by": "2020-01-01T00:00:00+00:00"})
    assert waiting_cases(request).cards[1].tone == "bad"
    Case.objects.update(status="resolved")
    assert {card.tone for card in waiting_cases(request).cards} == {"good"}

    request.user = make_user(is_staff=True)
    assert waiting_cases(request).cards == ()
