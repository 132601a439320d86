import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from merchants.models import Merchant
from merchants.queries import platform_merchant

pytestmark = pytest.mark.django_db
WHO = ("Example", "--legal-name", "Example Ltd", "--country", "DE", "--currency", "EUR")


def test_the_company_gets_its_own_merchant_by_one_command() -> None:
    said = io.StringIO()
    call_command("create_platform", *WHO, stdout=said)
    made = platform_merchant()
    assert said.getvalue().strip() == made.id
    assert (made.status, made.home_currency, made.legal_name) == ("approved", "EUR", "Example Ltd")


def test_a_second_platform_is_refused() -> None:
    call_command("create_platform", *WHO, stdout=io.StringIO())
    with pytest.raises(CommandError):
        call_command("create_platform", *WHO)
    assert Merchant.objects.count() == 1
