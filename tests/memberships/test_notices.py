"""What members are told before something happens: once, by day, and only what is still true."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import LazySettings

from memberships.models import ChargeNotice, Subscription
from memberships.renewals import notices
from memberships.renewals.notices import next_notice, notices_of, send_due_notices
from paycore.clock import database_now
from paycore.notifications.models import Notification
from paycore.notifications.rendering import render
from payments.methods.models import PaymentMethod
from tests.api.row_counts import nothing_changes
from tests.memberships.factories import make_price
from tests.memberships.renewal_stage import Stage, fresh, pass_until, told, work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _users_have_clocks(settings: LazySettings) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


def look(member: Subscription) -> None:
    Subscription.objects.filter(id=member.id).update(notice_at=database_now())
    send_due_notices()


def walk(member: Subscription) -> list[str]:
    """Everything that is told until the period is over."""
    look(member)
    while (at := fresh(member).notice_at) is not None:
        pass_until(member, at)
        send_due_notices()
    return told(member)


def test_trial_is_announced_three_days_and_one_day_before_its_end(stage: Stage) -> None:
    price = make_price(stage.price.plan, 500, interval="week", trial_days=7)
    member = stage.member(status="trialing", price=price, started=database_now() - timedelta(hours=1))
    assert walk(member) == ["membership_trial_ending"] * 2


def test_short_trial_is_not_announced_before_it_began(stage: Stage) -> None:
    price = make_price(stage.price.plan, 500, interval="day", interval_count=2, trial_days=2)
    member = stage.member(status="trialing", price=price, started=database_now() - timedelta(minutes=1))
    assert walk(member) == ["membership_trial_ending"]


@pytest.mark.parametrize(
    ("interval", "count", "expected"),
    [("month", 1, 0), ("month", 2, 0), ("month", 3, 1), ("quarter", 1, 1), ("year", 1, 1), ("week", 1, 0)],
)
def test_only_long_periods_are_announced_a_week_before(stage: Stage, interval: str, count: int, expected: int) -> None:
    price = make_price(stage.price.plan, 3000, interval=interval, interval_count=count, currency="EUR")
    member = stage.member(price=price, started=database_now(), collection="link", payment_method=None)
    assert walk(member) == ["membership_renews_soon"] * expected


def test_it_is_ten_in_the_morning_of_the_member(stage: Stage) -> None:
    price = make_price(stage.price.plan, 3000, interval="year")
    member = stage.member(price=price, started=database_now(), time_zone="Asia/Shanghai")
    look(member)
    at = fresh(member).notice_at
    assert at is not None
    assert at.astimezone(ZoneInfo("Asia/Shanghai")).hour == 10


def test_card_that_expires_before_the_renewal_is_announced(stage: Stage) -> None:
    member = stage.member(started=database_now() - timedelta(days=1))
    ends_at = member.period_ends_at
    assert ends_at is not None
    last_month = ends_at.replace(day=1) - timedelta(days=1)
    PaymentMethod.objects.update(expiry_month=last_month.month, expiry_year=last_month.year)
    assert walk(member) == ["membership_card_expiring"]


def test_who_canceled_is_told_nothing_of_a_renewal(stage: Stage) -> None:
    price = make_price(stage.price.plan, 3000, interval="year")
    member = stage.member(price=price, started=database_now(), cancel_at_period_end=True)
    assert notices_of(member, price) == []
    assert walk(member) == []


def test_looking_twice_tells_once(stage: Stage) -> None:
    price = make_price(stage.price.plan, 3000, interval="year")
    member = stage.member(price=price, started=database_now())
    assert member.period_ends_at is not None
    pass_until(member, member.period_ends_at - timedelta(days=2))
    look(member)
    look(member)
    assert told(member) == ["membership_renews_soon"]


def test_late_look_tells_only_the_newest(stage: Stage) -> None:
    price = make_price(stage.price.plan, 500, interval="week", trial_days=7)
    member = stage.member(status="trialing", price=price, started=database_now())
    assert member.period_ends_at is not None
    pass_until(member, member.period_ends_at - timedelta(hours=3))
    look(member)
    assert [row.key.rsplit(":", 1)[1] for row in Notification.objects.filter(user_id=member.user_id)] == ["1"]


def test_end_of_grace_is_announced_with_a_link(stage: Stage) -> None:
    member = stage.member(script="decline(insufficient_funds)")
    work()
    at = fresh(member).notice_at
    assert at is not None
    pass_until(member, at)
    send_due_notices()
    row = Notification.objects.get(user_id=member.user_id, template="membership_grace_ending")
    assert "/pay/cs_" in str(row.context["pay_url"])


def test_what_is_no_longer_true_is_not_sent(stage: Stage) -> None:
    member = stage.member(script="decline(insufficient_funds)", time_zone="UTC")
    work()
    Notification.objects.update(status="pending", attempts=0)
    stage.mend(member)
    due_at = fresh(member).due_at
    assert due_at is not None
    pass_until(member, due_at)
    work()
    assert "membership_payment_failed" not in told(member)
    assert "membership_recovered" in told(member)


def test_failure_goes_out_by_sms_as_well_where_the_number_is_proved(stage: Stage) -> None:
    user = stage.user(phone="+8613800138000", phone_verified_at=database_now(), locale="zh-hans")
    member = stage.member(user=user, script="decline(insufficient_funds)")
    work()
    assert sorted(told(member)) == ["membership_payment_failed", "membership_payment_failed_sms"]
    row = Notification.objects.get(template="membership_payment_failed_sms")
    assert "/pay/cs_" in render(row.template, context=row.context, language="en").subject


def test_every_message_has_words_in_every_part(stage: Stage) -> None:
    member = stage.member(script="decline(insufficient_funds)")
    work()
    row = Notification.objects.get(user_id=member.user_id)
    for language in ("en", "zh-hans"):
        message = render(row.template, context=row.context, language=language)
        assert "Premium" in message.subject or "高级版" in message.subject
        assert "/pay/cs_" in message.text
        assert "/pay/cs_" in message.html
    for template in (
        "membership_trial_ending", "membership_renews_soon", "membership_card_expiring", "membership_payment_due",
        "membership_grace_ending", "membership_grace_ending_sms", "membership_suspended", "membership_suspended_sms",
        "membership_payment_due_sms", "membership_recovered", "membership_ended",
    ):  # fmt: skip
        shown = render(template, context={"plan_name": "Premium", "amount_minor": 5, "currency": "USD"}, language="en")
        assert shown.subject
        assert shown.text.strip()
        assert "<p>" in shown.html


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_moment_in_a_message_names_its_zone_once(language: str) -> None:
    moments = {
        name: "2026-11-25T10:00:00+00:00" for name in ("trial_ends_at", "retry_at", "grace_until_at", "ended_at")
    }
    for template in (
        "membership_trial_ending", "membership_payment_failed", "membership_payment_due", "membership_grace_ending",
        "membership_ended",
    ):  # fmt: skip
        shown = render(template, context={"plan_name": "Premium", **moments}, language=language)
        for text in (shown.text, shown.html):
            assert "10:00 UTC" in text, template
            assert "UTC UTC" not in text, template


def test_mandate_that_needs_an_announcement_gets_it_before_the_renewal(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "notice_days_of", lambda method: 2)
    member = stage.member(started=database_now() - timedelta(days=2))
    assert walk(member) == []
    notice = ChargeNotice.objects.get()
    assert notice.charge_at == member.period_ends_at
    assert (notice.amount_minor, notice.period_number) == (1999, 2)


def test_nothing_is_due_that_is_behind(stage: Stage) -> None:
    price = make_price(stage.price.plan, 3000, interval="year")
    member = stage.member(price=price, started=database_now())
    assert member.period_ends_at is not None
    assert next_notice(member, price, after=member.period_ends_at) is None
    with nothing_changes():
        assert send_due_notices() == 0
