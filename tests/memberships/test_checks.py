"""The invariants of memberships find what they are there for: each is broken once, past constraints and triggers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from memberships.checks import LOOKS_A_DAY, run_all_checks, run_checks
from memberships.models import Pause, Period, Subscription, SubscriptionChange
from paycore.clock import database_now
from paycore.identifiers import new_id
from payments.orders.models import Payment
from tests.memberships.renewal_stage import Stage, fresh, renewal_of, work

pytestmark = pytest.mark.django_db


@contextmanager
def past_the_triggers() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def renewed(stage: Stage) -> Subscription:
    member = stage.member()
    work()
    assert fresh(member).period_number == 2
    assert run_all_checks() == []
    return fresh(member)


def broken() -> list[tuple[str, list[str]]]:
    return [(finding.promise.split()[0], finding.examples) for finding in run_all_checks()]


def test_a_second_charge_for_a_period_is_found(stage: Stage) -> None:
    member = renewed(stage)
    payment = Payment.objects.get(order_id=renewal_of(member).order_id)
    payment.id, payment.gateway_reference = new_id("pay"), ""
    with past_the_triggers(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP INDEX payment_one_success")
        payment.save(force_insert=True)
    assert ("one", [Period.objects.get(number=2).id]) in broken()


def test_a_paid_renewal_without_a_period_is_found(stage: Stage) -> None:
    invoice = renewal_of(renewed(stage))
    Period.objects.filter(invoice=invoice).update(invoice=None)
    assert broken() == [("one", [invoice.id])]


def test_a_gap_is_found_but_not_that_of_a_pause(stage: Stage) -> None:
    member = renewed(stage)
    first, second = Period.objects.order_by("number")
    cut_at = first.ends_at - timedelta(hours=1)
    Period.objects.filter(id=first.id).update(ends_at=cut_at)
    assert broken() == [("periods", [f"{member.id} 1"])]
    Pause.objects.create(
        subscription=member, period=first, paused_at=cut_at, unused_seconds=1, ended_at=second.starts_at
    )
    assert broken() == []


def test_a_member_without_a_paid_period_is_found(stage: Stage) -> None:
    member = renewed(stage)
    Period.objects.filter(number=2).update(status="revoked")
    assert broken() == [("who", [member.id])]


def test_one_that_nobody_looks_at_is_found(stage: Stage) -> None:
    member = renewed(stage)
    Subscription.objects.filter(id=member.id).update(due_at=database_now() - timedelta(hours=1))
    assert broken() == [("what", [member.id])]


def test_every_membership_is_looked_at_once_a_day(stage: Stage) -> None:
    """Also one that nothing happened to lately."""
    member = renewed(stage)
    Period.objects.filter(number=2).update(status="revoked")
    with past_the_triggers():
        SubscriptionChange.objects.all().delete()
    midnight = datetime.fromisoformat("2027-01-01T00:00:00+00:00")
    looks = [run_checks(now=midnight + timedelta(minutes=5 * number)) for number in range(LOOKS_A_DAY)]
    assert [finding.examples for look in looks for finding in look] == [[member.id]]


def test_the_command_names_what_is_broken(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    member = renewed(stage)
    call_command("check_memberships")
    Period.objects.filter(number=2).update(status="revoked")
    with pytest.raises(CommandError):
        call_command("check_memberships")
    assert member.id in capsys.readouterr().out
