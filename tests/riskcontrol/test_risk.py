"""The limit for one payment as merchants' servers meet it, and cases: open once, decided once."""

import pytest
from django.utils import timezone

from paycore.errors import NotFound
from paycore.models import EventRecord
from payments.routing.models import GatewayAccount
from riskcontrol.cases import (
    CaseAlreadyDecided,
    CaseTaken,
    decide_case,
    open_case,
    release_case,
    resolve_cases,
    take_case,
)
from riskcontrol.models import Case, Decision
from tests.actors import MerchantServer
from tests.api.refusals import assert_refused
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_user
from tests.riskcontrol.scenes import limit

pytestmark = pytest.mark.django_db


def test_a_payment_over_the_limit_is_refused_before_anything_is_written(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(amount_minor=1_001)
    limit(1_000)
    with nothing_changes():
        problem = assert_refused(merchant_server.pay(order["id"]), 403, "payment_over_limit")
    assert (problem["limit_minor"], problem["currency"]) == (1_000, "USD")
    assert Decision.objects.get().refusal == "payment_over_limit"


def test_a_payment_keeps_why_it_was_allowed(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    limit(5_000)
    order = merchant_server.create_order(amount_minor=5_000)
    assert merchant_server.pay(order["id"]).json()["status"] == "succeeded"


def test_a_case_is_open_once_and_may_come_again() -> None:
    for _copy in range(2):
        open_case(kind=Case.Kind.STUCK, object_id="pay_1", facts={"n": 1})
    open_case(kind=Case.Kind.PAYMENT_MISMATCH, object_id="pay_1", facts={})
    assert Case.objects.filter(kind="stuck").count() == 1

    assert resolve_cases(kind=Case.Kind.STUCK, object_id="pay_1", resolution="found") == 1
    assert resolve_cases(kind=Case.Kind.STUCK, object_id="pay_1", resolution="found") == 0
    assert Case.objects.get(kind="payment_mismatch").status == "open"

    open_case(kind=Case.Kind.STUCK, object_id="pay_1", facts={"n": 2})
    assert Case.objects.filter(kind="stuck").count() == 2


def test_a_case_is_decided_once_and_the_news_is_published_with_it() -> None:
    staff = make_user(is_staff=True)
    open_case(kind=Case.Kind.RISK_REVIEW, object_id="pay_1", facts={})
    case = Case.objects.get()

    decided = decide_case(case_id=case.id, verdict="approved", note="known customer", by_id=staff.id)

    assert (decided.status, decided.verdict, decided.resolved_by_id) == ("resolved", "approved", staff.id)
    news = EventRecord.objects.get(name="case.decided")
    assert news.object_id == case.id
    assert news.payload == {
        "case_id": case.id, "kind": "risk_review", "about": "pay_1", "verdict": "approved", "decided_by_id": staff.id,
    }  # fmt: skip

    with nothing_changes(), pytest.raises(CaseAlreadyDecided):
        decide_case(case_id=case.id, verdict="rejected", note="", by_id=staff.id)
    with nothing_changes(), pytest.raises(NotFound):
        decide_case(case_id="case_none", verdict="rejected", note="", by_id=staff.id)
    open_case(kind=Case.Kind.RISK_REVIEW, object_id="pay_2", facts={})
    with nothing_changes(), pytest.raises(ValueError, match="maybe"):
        decide_case(case_id=Case.objects.get(status="open").id, verdict="maybe", note="", by_id=staff.id)


def test_a_case_is_one_persons_work_until_it_is_given_back() -> None:
    one, other = make_user(is_staff=True), make_user(is_staff=True)
    open_case(kind=Case.Kind.RISK_REVIEW, object_id="pay_1", facts={})
    case_id = Case.objects.get().id
    for _time in range(2):
        take_case(case_id=case_id, by_id=one.id, now=timezone.now())

    with pytest.raises(CaseTaken):
        take_case(case_id=case_id, by_id=other.id, now=timezone.now())
    assert Case.objects.get().assignee_id == one.id

    release_case(case_id=case_id)
    take_case(case_id=case_id, by_id=other.id, now=timezone.now())
    assert Case.objects.get().assignee_id == other.id
