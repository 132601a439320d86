from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from paycore.clock import NotInSandbox, advance, database_now
from paycore.models import ClockOffset

pytestmark = pytest.mark.django_db


def test_money_decisions_ignore_a_wrong_process_clock() -> None:
    with time_machine.travel(datetime(2001, 1, 1, tzinfo=UTC)):
        assert database_now() > datetime(2026, 1, 1, tzinfo=UTC)


def test_one_subjects_time_moves_and_nobody_elses() -> None:
    before = database_now(subject="usr_other")

    moved = advance(subject="usr_1", by=timedelta(days=31))
    moved_again = advance(subject="usr_1", by=timedelta(days=1))

    assert timedelta(days=31) <= moved - before < timedelta(days=31, minutes=1)
    assert timedelta(days=32) <= moved_again - before < timedelta(days=32, minutes=1)
    assert database_now(subject="usr_other") - before < timedelta(minutes=1)
    assert database_now() - before < timedelta(minutes=1)


def test_time_never_moves_back() -> None:
    with pytest.raises(ValueError, match="forward"):
        advance(subject="usr_1", by=timedelta(seconds=-1))
    assert not ClockOffset.objects.exists()


def test_outside_the_sandbox_nobody_moves_time(settings: Any) -> None:
    advance(subject="usr_1", by=timedelta(days=31))
    settings.PAYCORE_SANDBOX_MODE = False

    with pytest.raises(NotInSandbox):
        advance(subject="usr_1", by=timedelta(days=1))
    with pytest.raises(CommandError, match="sandbox"):
        call_command("advance_clock", "usr_1", days=1)

    assert database_now(subject="usr_1") - database_now() < timedelta(minutes=1)
