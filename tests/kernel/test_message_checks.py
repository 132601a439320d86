from typing import Any

import pytest

from paycore.notifications.checks import check_providers, check_sms_caps


def test_the_default_configuration_is_fine() -> None:
    assert check_providers(None) + check_sms_caps(None) == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("PAYCORE_SMS_PROVIDER", "pigeon", "paycore.E001"),
        ("PAYCORE_SMS_PROVIDER", "webhook", "paycore.E002"),
        ("PAYCORE_MAIL_PROVIDER", "smtp", "paycore.E001"),
        ("PAYCORE_MAIL_PROVIDER", "webhook", "paycore.E002"),
        ("PAYCORE_SMS_CAPS", ["number=lots"], "paycore.E003"),
        ("PAYCORE_SMS_CAPS", ["planet=5/hour"], "paycore.E003"),
        ("PAYCORE_SMS_COSTS", ["US=1"], "paycore.E004"),
        ("PAYCORE_SMS_COSTS", ["*=-1"], "paycore.E004"),
    ],
)
def test_a_wrong_setting_is_found_at_the_start(settings: Any, name: str, value: Any, code: str) -> None:
    setattr(settings, name, value)
    assert [problem.id for problem in check_providers(None) + check_sms_caps(None)] == [code]
