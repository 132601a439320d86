"""Block, allow and watch lists."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from merchants.models import Merchant
from paycore.clock import now
from riskcontrol.decisions import PaymentOverLimit, PaymentRefusedByRisk, assess
from riskcontrol.lists import InvalidListEntry, add_entry, canonical_value, forget_lists, remove_entry
from riskcontrol.models import Decision, Hit, ListEntry, RiskList
from tests.merchants.factories import make_user
from tests.riskcontrol.scenes import attempt, journal, limit, rule

pytestmark = pytest.mark.django_db


def listed(kind: str, value: str, *, effect: str = "block", name: str = "fraud", **options) -> ListEntry:  # type: ignore[no-untyped-def]
    risk_list, _new = RiskList.objects.get_or_create(name=name, defaults={"effect": effect})
    return add_entry(risk_list=risk_list, kind=kind, value=value, reason="seen", added_by_id=None, **options)


def is_refused(merchant: Merchant, **known: str) -> bool:
    try:
        assess(attempt(merchant, **known))
    except PaymentRefusedByRisk:
        return True
    return False


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
        ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
        ("203.0.113.9/29", "203.0.113.15", "203.0.113.16"),
        ("2001:db8:1::/48", "2001:DB8:1:ffff::1", "2001:db8:2::1"),
    ],
)
def test_an_address_is_blocked_by_any_network_that_holds_it(
    merchant: Merchant, network: str, inside: str, outside: str
) -> None:
    listed("ip", network)
    assert is_refused(merchant, ip=inside)
    assert not is_refused(merchant, ip=outside)
    assert not is_refused(merchant, ip="")
    assert not is_refused(merchant, ip="not an address")
    assert Decision.objects.get().reasons == ["list:fraud"]


def test_every_kind_of_entry_blocks_what_it_names(merchant: Merchant) -> None:
    user, bystander = make_user(), make_user()
    mailed = make_user()
    mailed.email = "Crook@Example.com"
    mailed.save()
    listed("user", user.id)
    listed("email", " crook@EXAMPLE.com ")
    listed("device", "dev-1")
    listed("payment_method", "abc123")

    assert is_refused(merchant, user_id=user.id)
    assert is_refused(merchant, user_id=mailed.id)
    assert is_refused(merchant, device_id="dev-1")
    assert is_refused(merchant, payment_method_key="abc123")
    assert not is_refused(merchant, user_id=bystander.id, device_id="abc123", payment_method_key="dev-1")

    listed("merchant", merchant.id)
    assert is_refused(merchant)


def test_an_e_mail_address_is_not_kept_in_clear() -> None:
    entry = listed("email", "crook@example.com")
    assert "crook" not in entry.value
    assert len(entry.value) == 64


def test_an_expired_or_removed_entry_blocks_nobody_and_may_be_added_again(merchant: Merchant) -> None:
    entry = listed("device", "dev-1", expires_at=now() + timedelta(hours=1))
    assert is_refused(merchant, device_id="dev-1")

    ListEntry.objects.filter(id=entry.id).update(expires_at=Now())
    assert not is_refused(merchant, device_id="dev-1")

    again = listed("device", "dev-1")
    assert again.id != entry.id
    assert is_refused(merchant, device_id="dev-1")

    for _time in range(2):
        remove_entry(again.id, removed_by_id=None)
    assert not is_refused(merchant, device_id="dev-1")
    assert ListEntry.objects.count() == 2


def test_the_same_entry_twice_is_one() -> None:
    assert listed("ip", "203.0.113.0/24").id == listed("ip", "203.0.113.77/24").id


def test_a_list_that_is_switched_off_blocks_nobody(merchant: Merchant) -> None:
    listed("device", "dev-1")
    RiskList.objects.update(is_active=False)
    forget_lists()
    assert not is_refused(merchant, device_id="dev-1")


def test_an_allow_list_exempts_from_rules_but_not_from_limits_nor_from_a_block_list(merchant: Merchant) -> None:
    made = rule("amount_minor > 1", "reject")
    listed("device", "dev-1", effect="allow", name="friends")

    decision = assess(attempt(merchant, device_id="dev-1"))
    assert (decision.action, decision.reasons) == ("allow", ("list:friends",))
    journal(decision)
    assert Hit.objects.get(rule=made).is_shadow

    limit(999)
    with pytest.raises(PaymentOverLimit):
        assess(attempt(merchant, 1_000, device_id="dev-1"))
    listed("merchant", merchant.id)
    assert is_refused(merchant, device_id="dev-1")


def test_a_watch_list_acts_through_rules_only(merchant: Merchant) -> None:
    listed("device", "dev-1", effect="watch", name="stolen_phones")
    assert assess(attempt(merchant, device_id="dev-1")).action == "allow"

    rule('"stolen_phones" in lists and not on_block_list and not on_allow_list', "review")
    assert assess(attempt(merchant, device_id="dev-1")).action == "review"
    assert assess(attempt(merchant, device_id="dev-2")).action == "allow"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ip", "0.0.0.0/0"),
        ("ip", "::/0"),
        ("ip", "300.1.1.1"),
        ("user", "mer_01jd0000000000000000000000"),
        ("user", "usr_short"),
        ("email", "nobody"),
        ("device", "two words"),
        ("device", ""),
        ("device", "x" * 129),
        ("passport", "X1"),
    ],
)
def test_what_cannot_be_listed_is_refused_and_nothing_is_written(kind: str, value: str) -> None:
    with pytest.raises(InvalidListEntry):
        canonical_value(kind, value)
    with pytest.raises(InvalidListEntry):
        listed(kind, value)
    assert not ListEntry.objects.exists()
