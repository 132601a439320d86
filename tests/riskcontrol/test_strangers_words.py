"""What a stranger chooses (addresses, device ids) must never break an assessment, and what is kept is shown to them."""

import pytest

from merchants.models import Merchant
from riskcontrol.decisions import assess
from riskcontrol.models import Decision
from riskcontrol.personal_data import collect_decisions
from tests.merchants.factories import make_user
from tests.riskcontrol.scenes import attempt, pay, rule

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "text", ["x" * 65, "x" * 100_000, "nul\x00", "\ud800", "手机", "new\nline", "a" * 64, "|,:{}%s"]
)
def test_any_device_id_is_counted_and_kept(merchant: Merchant, text: str) -> None:
    rule("device_count_1h > 99 or ip_count_1h > 99", "review")

    decision_id = pay(attempt(merchant, device_id=text, payment_method_key=text, ip="203.0.113.7"))

    row = Decision.objects.get(id=decision_id)
    assert 0 < len(row.device_id) <= 64
    assert row.device_id == row.payment_method_key
    assert assess(attempt(merchant, device_id=text)).journal["facts"]["device_count_1h"] == 2


@pytest.mark.parametrize(
    "address", ["unknown", "1.2.3.4.5", "::ffff:999.1.1.1", "\x00", "x" * 10_000, "fe80::1%eth0\n"]
)
def test_what_is_no_address_is_unknown(merchant: Merchant, address: str) -> None:
    rule('ip == ""', "review")
    decision = assess(attempt(merchant, ip=address))
    assert (decision.action, decision.journal["ip"]) == ("review", "")


def test_an_ipv4_address_written_as_ipv6_is_the_same_address(merchant: Merchant) -> None:
    rule('ip == "203.0.113.7"', "review")
    assert assess(attempt(merchant, ip="::ffff:203.0.113.7")).action == "review"


def test_people_are_shown_what_is_kept_but_not_the_rules(merchant: Merchant) -> None:
    user = make_user()
    made = rule("amount_minor > 1", "review")
    pay(attempt(merchant, user_id=user.id, ip="203.0.113.7"))
    pay(attempt(merchant, user_id=make_user().id))

    shown = collect_decisions(user.id).document

    assert [(row["action"], row["ip"]) for row in shown["decisions"]] == [("review", "203.0.113.7")]
    assert made.id not in str(shown)
