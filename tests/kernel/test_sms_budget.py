"""What codes by SMS may cost: caps, money, stops, the alarm, and all of it under concurrency."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.signing_in.messages import Sms, send_code_by_sms
from paycore.notifications import budget
from paycore.notifications.budget import SmsLimitReached, SmsUnavailable, note_verified, pretend, reserve
from paycore.notifications.models import Notification, SmsPause, SmsUsage
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db
ADDRESS = "203.0.113.7"


@pytest.fixture(autouse=True)
def _small_caps(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["number=3/hour", "address=100/hour", "prefix=10/hour", "country=1000/hour"]
    settings.PAYCORE_SMS_DAILY_BUDGET_MINOR = 10_000
    settings.PAYCORE_SMS_COSTS = ["*=8", "US=1"]
    settings.PAYCORE_ALERTS_TO = ["boss@example.com"]


def number(last: int, *, block: str = "+1415555") -> str:
    return f"{block}{last:04d}"


def used(scope: str) -> int:
    return sum(SmsUsage.objects.filter(scope=scope).values_list("sent", flat=True))


def test_a_number_has_its_share_and_no_more() -> None:
    for _ in range(3):
        reserve(phone=number(1), address=ADDRESS)
    with pytest.raises(SmsLimitReached) as refusal:
        reserve(phone=number(1), address=ADDRESS)
    assert 0 < (refusal.value.retry_after_seconds or 0) <= 3601
    reserve(phone=number(2), address=ADDRESS)


def test_a_refused_message_counts_nowhere() -> None:
    for _ in range(3):
        reserve(phone=number(1), address=ADDRESS)
    before = list(SmsUsage.objects.order_by("id").values_list("scope", "sent", "cost_minor"))
    with pytest.raises(SmsLimitReached):
        reserve(phone=number(1), address=ADDRESS)
    assert list(SmsUsage.objects.order_by("id").values_list("scope", "sent", "cost_minor")) == before


def test_one_address_cannot_ask_for_many_numbers(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["address=4/hour"]
    for last in range(4):
        reserve(phone=number(last), address=ADDRESS)
    with pytest.raises(SmsLimitReached):
        reserve(phone=number(5), address=ADDRESS)
    reserve(phone=number(5), address="203.0.113.8")


def test_pumping_one_block_stops_at_its_cap_while_others_go_on() -> None:
    sent = 0
    for last in range(50):
        try:
            reserve(phone=number(last), address=f"198.51.100.{last}")
            sent += 1
        except SmsUnavailable:
            pass
    assert sent == 10
    reserve(phone=number(1, block="+1415666"), address=ADDRESS)
    assert Notification.objects.filter(template="alert").exists()


def test_money_of_a_day_is_never_exceeded(settings: Any) -> None:
    settings.PAYCORE_SMS_DAILY_BUDGET_MINOR = 20
    reserve(phone="+861381234" + "0001", address=ADDRESS)
    reserve(phone="+861381234" + "0002", address=ADDRESS)
    with pytest.raises(SmsUnavailable):
        reserve(phone="+861381234" + "0003", address=ADDRESS)
    for last in range(4):  # cheaper ones still fit
        reserve(phone=number(last), address=ADDRESS)
    with pytest.raises(SmsUnavailable):
        reserve(phone=number(9), address=ADDRESS)
    assert SmsUsage.objects.get(scope="money").cost_minor == 20


@pytest.mark.parametrize("target", ["*", "US", "+1415555", "+1"])
def test_a_stop_holds_until_it_is_deleted(target: str) -> None:
    stop = SmsPause.objects.create(target=target, reason="an attack")
    with pytest.raises(SmsUnavailable):
        reserve(phone=number(1), address=ADDRESS)
    assert used("money") == 0
    stop.delete()
    reserve(phone=number(1), address=ADDRESS)


def test_a_stop_of_one_country_leaves_others_alone() -> None:
    SmsPause.objects.create(target="US", reason="an attack")
    reserve(phone="+8613812345678", address=ADDRESS)


def test_a_prefix_whose_codes_nobody_types_in_is_stopped_and_reported(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["prefix=1000/hour", "country=1000/hour"]
    settings.PAYCORE_SMS_ALARM_AFTER, settings.PAYCORE_SMS_ALARM_BELOW_PERCENT = 5, 50
    for last in range(6):
        reserve(phone=number(last), address=ADDRESS)
    with pytest.raises(SmsUnavailable):
        reserve(phone=number(7), address=ADDRESS)
    pause = SmsPause.objects.get()
    assert (pause.target, pause.is_automatic) == ("+1415555", True)
    assert Notification.objects.filter(template="alert").exists()


def test_a_prefix_of_honest_people_is_not_stopped(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["prefix=1000/hour", "country=1000/hour"]
    settings.PAYCORE_SMS_ALARM_AFTER, settings.PAYCORE_SMS_ALARM_BELOW_PERCENT = 5, 50
    for last in range(20):
        reserve(phone=number(last), address=ADDRESS)
        note_verified(phone=number(last))
    assert not SmsPause.objects.exists()


def test_pretending_answers_alike_and_uses_up_no_money() -> None:
    for _ in range(3):
        pretend(phone=number(1), address=ADDRESS)
    with pytest.raises(SmsLimitReached):
        pretend(phone=number(1), address=ADDRESS)
    assert (used("number"), used("address")) == (3, 3)
    assert (used("prefix"), used("money")) == (0, 0)
    SmsPause.objects.create(target="*", reason="an attack")
    with pytest.raises(SmsUnavailable):
        pretend(phone=number(2), address=ADDRESS)


def test_numbers_and_addresses_are_kept_as_digests_only() -> None:
    reserve(phone=number(1), address=ADDRESS)
    keys = " ".join(SmsUsage.objects.values_list("key", flat=True))
    assert number(1) not in keys
    assert ADDRESS not in keys


def test_old_windows_are_forgotten() -> None:
    reserve(phone=number(1), address=ADDRESS)
    assert budget.purge() == 0
    SmsUsage.objects.update(starts_at="2020-01-01T00:00Z")
    assert budget.purge() == SmsUsage.objects.count() + 5


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_together_get_exactly_the_cap(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["number=3/hour", "prefix=7/hour"]
    for trial in range(5):
        block = f"+141520{trial}"
        assert _reserve_in_parallel([number(last, block=block) for last in range(16)]) == 7
        assert SmsUsage.objects.get(scope="prefix", key=block).sent == 7


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_never_exceed_the_money(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS, settings.PAYCORE_SMS_DAILY_BUDGET_MINOR = [], 5
    assert _reserve_in_parallel([number(last) for last in range(16)]) == 5
    assert SmsUsage.objects.get().cost_minor == 5


def test_staff_see_the_use_and_pull_the_kill_switch() -> None:
    reserve(phone=number(1), address=ADDRESS)
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert "+1415555" in client.get("/ops/paycore/smsusage/").content.decode()
    answer = client.post("/ops/paycore/smspause/add/", {"target": "*", "reason": "an attack"})
    assert answer.status_code == 302
    with pytest.raises(SmsUnavailable):
        reserve(phone=number(1), address=ADDRESS)


def _reserve_in_parallel(phones: list[str]) -> int:
    """How many of the calls went through."""
    barrier, granted = threading.Barrier(len(phones)), []

    def run(phone: str) -> None:
        try:
            barrier.wait()
            reserve(phone=phone, address=ADDRESS)
            granted.append(phone)
        except (SmsUnavailable, SmsLimitReached):
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(phone,)) for phone in phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(granted)


def test_one_ipv6_customer_is_one_address(settings: Any) -> None:
    settings.PAYCORE_SMS_CAPS = ["address=4/hour"]
    for last in range(4):
        reserve(phone=number(last), address=f"2001:db8:1:2::{last + 1}")
    with pytest.raises(SmsLimitReached):
        reserve(phone=number(5), address="2001:db8:1:2:ffff::9")
    reserve(phone=number(5), address="2001:db8:1:3::1")


@pytest.mark.django_db(transaction=True)
def test_staff_hear_of_a_cap_that_refused_somebody(settings: Any) -> None:
    """The refusal undoes what was written with it; the alert is not among that."""
    settings.PAYCORE_SMS_DAILY_BUDGET_MINOR = 0
    with pytest.raises(SmsUnavailable):
        send_code_by_sms(Sms(phone=number(1), address=ADDRESS), code="123456")
    assert Notification.objects.filter(template="alert").count() == 1
    assert not Notification.objects.filter(template="code_sms").exists()
