"""Lists and what is on them, as staff keep them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from accounts.models import User
from merchants.models import Merchant
from paycore.clock import now
from riskcontrol.decisions import PaymentRefusedByRisk, assess
from riskcontrol.lists import add_entry, email_hash
from riskcontrol.models import ListEntry, RiskList
from tests.riskcontrol.scenes import attempt

pytestmark = pytest.mark.django_db

LISTS, ENTRIES = "ops:riskcontrol_risklist", "ops:riskcontrol_listentry"


@pytest.fixture
def blocked() -> RiskList:
    return RiskList.objects.create(name="blocked", effect="block")


def put(blocked: RiskList, value: str, *, kind: str = "device", **fields: Any) -> ListEntry:
    return add_entry(risk_list=blocked, kind=kind, value=value, reason="test", added_by_id=None, **fields)


def paste(client: Client, risk_list: RiskList, lines: str, **fields: str) -> Any:
    posted = {"kind": "ip", "lines": lines, "reason": "from the bank", "expires": "30", **fields}
    return client.post(reverse(f"{LISTS}_import", args=[risk_list.id]), posted, follow=True)


def test_a_list_is_made_and_keeps_its_name_and_effect(ops: Client) -> None:
    assert ops.post(reverse(f"{LISTS}_add"), {"name": "vip", "effect": "allow", "is_active": "on"}).status_code == 302
    made = RiskList.objects.get()

    posted = {"name": "other", "effect": "block", "description": "our best", "is_active": "on"}
    ops.post(reverse(f"{LISTS}_change", args=[quote(made.id)]), posted)

    made.refresh_from_db()
    assert (made.name, made.effect, made.description) == ("vip", "allow", "our best")


def test_a_list_with_a_name_that_rules_could_not_say_is_refused(ops: Client) -> None:
    assert ops.post(reverse(f"{LISTS}_add"), {"name": "Not This", "effect": "allow"}).status_code == 200
    assert not RiskList.objects.exists()


def test_a_list_counts_what_is_on_it_now(ops: Client, blocked: RiskList) -> None:
    put(blocked, "dev-1")
    put(blocked, "dev-2", expires_at=now() - timedelta(days=1))
    ListEntry.objects.filter(id=put(blocked, "dev-3").id).update(removed_at=now())

    answer = ops.get(reverse(f"{LISTS}_changelist"))

    assert [row.entry_count for row in answer.context["cl"].result_list] == [1]


def test_an_entry_blocks_at_once_and_says_who_and_why(
    ops: Client, boss: User, blocked: RiskList, merchant: Merchant
) -> None:
    posted = {"risk_list": blocked.id, "kind": "ip", "value": "203.0.113.77/24", "reason": "attack"}
    assert ops.post(reverse(f"{ENTRIES}_add"), posted).status_code == 302

    entry = ListEntry.objects.get()
    assert (entry.value, entry.reason, entry.added_by) == ("203.0.113.0/24", "attack", boss)
    with pytest.raises(PaymentRefusedByRisk):
        assess(attempt(merchant, ip="203.0.113.9"))


@pytest.mark.parametrize(
    ("kind", "value"), [("ip", "300.1.1.1"), ("ip", "0.0.0.0/0"), ("user", "Bob"), ("email", "nobody"), ("x", "y")]
)
def test_a_value_that_cannot_be_on_a_list_is_refused(ops: Client, blocked: RiskList, kind: str, value: str) -> None:
    posted = {"risk_list": blocked.id, "kind": kind, "value": value, "reason": "attack"}

    assert ops.post(reverse(f"{ENTRIES}_add"), posted).status_code == 200
    assert not ListEntry.objects.exists()


def test_an_entry_needs_a_reason_and_a_future(ops: Client, blocked: RiskList) -> None:
    posted = {"risk_list": blocked.id, "kind": "device", "value": "dev-1"}

    ops.post(reverse(f"{ENTRIES}_add"), posted)
    ops.post(reverse(f"{ENTRIES}_add"), posted | {"reason": "x", "expires_at_0": "2020-01-01", "expires_at_1": "00:00"})

    assert not ListEntry.objects.exists()


def test_an_entry_that_is_there_already_stays_one(ops: Client, blocked: RiskList) -> None:
    there = put(blocked, "dev-1")

    posted = {"risk_list": blocked.id, "kind": "device", "value": "dev-1", "reason": "again"}
    assert ops.post(reverse(f"{ENTRIES}_add"), posted).status_code == 302

    assert [(entry.id, entry.reason) for entry in ListEntry.objects.all()] == [(there.id, "test")]


def test_an_address_of_mail_is_kept_and_shown_as_a_hash(ops: Client, blocked: RiskList) -> None:
    posted = {"risk_list": blocked.id, "kind": "email", "value": "Thief@Example.com", "reason": "fraud"}
    ops.post(reverse(f"{ENTRIES}_add"), posted)

    assert ListEntry.objects.get().value == email_hash("thief@example.com")
    found = ops.get(reverse(f"{ENTRIES}_changelist"), {"q": "thief@example.com"})
    assert len(found.context["cl"].result_list) == 1


def test_an_entry_is_found_by_an_address_inside_its_network(ops: Client, blocked: RiskList) -> None:
    put(blocked, "203.0.113.0/24", kind="ip")
    put(blocked, "198.51.100.7", kind="ip")
    page = reverse(f"{ENTRIES}_changelist")

    def found(term: str) -> list[str]:
        return [entry.value for entry in ops.get(page, {"q": term}).context["cl"].result_list]

    assert found("203.0.113.9") == ["203.0.113.0/24"]
    assert found("198.51.100.7") == ["198.51.100.7/32"]
    assert found("192.0.2.1") == []


def test_entries_are_filtered_by_state(ops: Client, blocked: RiskList) -> None:
    put(blocked, "dev-on")
    put(blocked, "dev-expired", expires_at=now() - timedelta(days=1))
    ListEntry.objects.filter(id=put(blocked, "dev-removed").id).update(removed_at=now())
    page = reverse(f"{ENTRIES}_changelist")

    def shown(state: str) -> list[str]:
        return [entry.value for entry in ops.get(page, {"state": state}).context["cl"].result_list]

    assert (shown("on"), shown("expired"), shown("removed")) == (["dev-on"], ["dev-expired"], ["dev-removed"])


def test_an_entry_is_taken_off_and_its_row_stays(
    ops: Client, boss: User, blocked: RiskList, merchant: Merchant
) -> None:
    entry = put(blocked, "dev-1")

    address = reverse(f"{ENTRIES}_remove", args=[quote(entry.id)])
    ops.post(address, {"_form_submitted": "on"}, follow=True)

    entry.refresh_from_db()
    assert entry.removed_by == boss
    assert entry.removed_at is not None
    assert assess(attempt(merchant, device_id="dev-1")).action == "allow"


def test_many_are_pasted_with_blank_lines_and_repeats(ops: Client, boss: User, blocked: RiskList) -> None:
    answer = paste(ops, blocked, "203.0.113.1\r\n\r\n  203.0.113.2 \n203.0.113.1\n2001:db8::/48\n")

    assert "3 entries are on the list." in answer.content.decode()
    assert set(ListEntry.objects.values_list("value", flat=True)) == {
        "203.0.113.1/32", "203.0.113.2/32", "2001:db8::/48",
    }  # fmt: skip
    entry = ListEntry.objects.first()
    assert entry is not None
    assert (entry.reason, entry.added_by) == ("from the bank", boss)
    assert entry.expires_at is not None


def test_a_wrong_line_is_named_and_nothing_is_added(ops: Client, blocked: RiskList) -> None:
    text = paste(ops, blocked, "203.0.113.1\n\n<b>no</b>\n0.0.0.0/0").content.decode()

    assert "Line 3, “&lt;b&gt;no&lt;/b&gt;”: Not an IP address or network." in text
    assert "Line 4" in text
    assert not ListEntry.objects.exists()


@pytest.mark.parametrize("lines", ["", "\n \n", "x\n" * 1_001, "y" * 150_001])
def test_nothing_and_too_much_are_refused(ops: Client, blocked: RiskList, lines: str) -> None:
    assert paste(ops, blocked, lines, kind="device").status_code == 200
    assert not ListEntry.objects.exists()


def test_only_the_first_wrong_lines_are_listed(ops: Client, blocked: RiskList) -> None:
    text = paste(ops, blocked, "\n".join(f"wrong{number}" for number in range(1, 31))).content.decode()

    assert "Line 20," in text
    assert "Line 21," not in text
    assert "and 10 more lines." in text


def test_who_may_only_look_changes_nothing(staff_who_may: Callable[..., Client], blocked: RiskList) -> None:
    entry = put(blocked, "dev-1")
    client = staff_who_may("view_risklist", "view_listentry")

    assert client.get(reverse(f"{LISTS}_changelist")).status_code == 200
    assert client.get(reverse(f"{ENTRIES}_changelist")).status_code == 200
    assert paste(client, blocked, "203.0.113.1").status_code == 403
    assert client.post(reverse(f"{ENTRIES}_add"), {"kind": "device", "value": "dev-2"}).status_code == 403
    address = reverse(f"{ENTRIES}_remove", args=[quote(entry.id)])
    assert client.post(address, {"_form_submitted": "on"}).status_code == 403
    assert client.post(reverse(f"{LISTS}_change", args=[quote(blocked.id)]), {"description": "x"}).status_code == 403
    assert ListEntry.objects.filter(removed_at__isnull=True).count() == 1


def test_a_paste_for_a_list_that_is_not_there_is_not_found(ops: Client) -> None:
    address = reverse(f"{LISTS}_import", args=["lst_nothing"])

    assert ops.get(address).status_code == 404


def test_nothing_is_deleted_or_edited(ops: Client, blocked: RiskList) -> None:
    entry = put(blocked, "dev-1")

    for name, row in ((LISTS, blocked), (ENTRIES, entry)):
        assert ops.post(reverse(f"{name}_delete", args=[quote(row.id)]), {"post": "yes"}).status_code == 403
    change = reverse(f"{ENTRIES}_change", args=[quote(entry.id)])
    assert ops.post(change, {"value": "dev-9"}).status_code == 403
    entry.refresh_from_db()
    assert entry.value == "dev-1"


@pytest.mark.parametrize("page", [LISTS, ENTRIES])
def test_a_list_page_asks_as_often_for_twelve_as_for_two(
    ops: Client, blocked: RiskList, queries_made: list[str], page: str
) -> None:
    def asked() -> int:
        queries_made.clear()
        assert ops.get(reverse(f"{page}_changelist")).status_code == 200
        return len(queries_made)

    def fill(numbers: range) -> None:
        for number in numbers:
            put(RiskList.objects.create(name=f"list_{number}", effect="watch"), f"dev-{number}")

    fill(range(2))
    asked()
    few = asked()
    fill(range(2, 12))
    assert asked() == few
