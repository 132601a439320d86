from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail

from paycore.alerts import raise_alert
from paycore.notifications.services import send_due

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)


def test_an_alert_is_mailed_once_an_hour_to_everybody_who_watches(settings: Any) -> None:
    settings.PAYCORE_ALERTS_TO = ["ops@shop.example", "cto@shop.example"]

    for minute in (5, 6, 59):
        raise_alert(what="invariant J2 broken", object_id="gateway:gwa_1", now=NOW.replace(minute=minute))
    send_due()

    assert sorted(message.to[0] for message in mail.outbox) == ["cto@shop.example", "ops@shop.example"]
    assert "invariant J2 broken" in mail.outbox[0].subject
    assert "gateway:gwa_1" in mail.outbox[0].body

    raise_alert(what="invariant J2 broken", object_id="gateway:gwa_1", now=NOW.replace(hour=11))
    send_due()
    assert len(mail.outbox) == 4
