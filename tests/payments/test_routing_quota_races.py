"""Many payments at the edge of an account's limit: exactly as many go on as it allows."""

from functools import partial
from typing import Any

import pytest
from django.db import Error, connection

from merchants.models import Merchant
from paycore.identifiers import new_id
from paycore.money import Money
from payments.errors import MethodNotAvailable
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Payment
from payments.orders.services import OrderDraft, create_order
from payments.routing.models import GatewayAccount, QuotaTake
from payments.routing.quotas import settle_quotas
from tests.payments.test_routing_quotas import limit, take, used
from tests.races.crew import Tally, crew_of

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
PAYERS = 32


@pytest.fixture
def tally() -> Tally:
    return Tally()


def pay(merchant: Merchant) -> str:
    draft = OrderDraft(merchant_id=merchant.id, amount=Money(1_000, "USD"), description="A thing")
    try:
        return pay_order(create_order(draft), PayInstruction(method="card")).status
    except MethodNotAvailable as refused:
        return refused.code


def test_of_32_payments_exactly_as_many_go_on_as_the_limit_allows(
    merchant: Merchant, account: GatewayAccount, tally: Tally
) -> None:
    with crew_of(PAYERS) as crew:
        for allowed in (0, 1, 7, 31):
            QuotaTake.objects.all().delete()
            account.quotas.all().delete()
            by_count = limit(account, max_count=allowed)
            by_amount = limit(account, period="month", max_amount_minor=allowed * 1_000 + 999)
            before = Payment.objects.count()
            words = tally.note(crew.at_once(*[partial(pay, merchant)] * PAYERS))
            assert words.count("succeeded") == allowed, words
            assert words.count("method_not_available") == PAYERS - allowed
            assert used(by_count) == used(by_amount) == (allowed * 1_000, allowed)
            assert Payment.objects.count() - before == allowed == QuotaTake.objects.count() // 2
    tally.assert_no_surprise()


def test_two_limits_in_either_order_never_deadlock(account: GatewayAccount, tally: Tally) -> None:
    one, two = limit(account, max_count=10_000), limit(account, period="month", max_count=10_000)

    def take_both(*quotas: Any) -> str:
        take(new_id("pay"), *quotas)
        return "taken"

    with crew_of(PAYERS) as crew:
        for _trial in range(10):
            acts = [partial(take_both, one, two), partial(take_both, two, one)] * (PAYERS // 2)
            assert tally.note(crew.at_once(*acts)) == ["taken"] * PAYERS
    assert used(one) == used(two) == (PAYERS * 10_000, PAYERS * 10)
    tally.assert_no_surprise()


def test_a_payment_whose_end_is_told_32_times_at_once_gives_back_once(account: GatewayAccount, tally: Tally) -> None:
    quota = limit(account, max_count=100)
    with crew_of(PAYERS) as crew:
        for _trial in range(10):
            gone, kept = new_id("pay"), new_id("pay")
            take(gone, quota)
            take(kept, quota)
            deeds = crew.at_once(*[partial(settle_quotas, gone, is_given_back=True)] * PAYERS)
            assert sum(deed.answer for deed in deeds) == 1
            tally.note(deeds)
    assert used(quota) == (10_000, 10)
    tally.assert_no_surprise()


def test_payments_around_midnight_are_counted_on_the_day_they_begin_and_each_day_has_its_own_limit(
    account: GatewayAccount, tally: Tally
) -> None:
    """The day changes while they begin: the account's calendar is moved on under them."""
    quota = limit(account, max_count=5)

    def take_one() -> str:
        try:
            take(new_id("pay"), quota)
        except Error as error:
            return str(getattr(error.__cause__, "pgcode", ""))
        return "taken"

    def tomorrow() -> str:
        with connection.cursor() as cursor:  # from 12 hours behind UTC to 14 before it: another day at any hour
            cursor.execute("UPDATE payments_gatewayaccount SET time_zone = 'Etc/GMT-14' WHERE id = %s", [account.id])
        return "moved"

    GatewayAccount.objects.filter(id=account.id).update(time_zone="Etc/GMT+12")
    with crew_of(PAYERS) as crew:
        words = tally.note(crew.at_once(*[take_one] * 15, tomorrow, *[take_one] * 16))
        words += tally.note(crew.at_once(*[take_one] * PAYERS))
    uses = list(quota.uses.order_by("period_start").values_list("payments", flat=True))
    assert words.count("taken") == sum(uses)
    assert len(uses) in (1, 2)  # when the change came first, nobody began on the day before
    assert uses[-1] == 5
    assert max(uses) == 5
    assert set(words) == {"taken", "PC011", "moved"}
