"""Several devices of one person change saved methods at once: one default, one row a card, never above the limit."""

from typing import Any

import pytest
from django.db.models import Count

from merchants.models import Merchant
from payments.gateways.contract import SavedMethod
from payments.methods.errors import TooManyPaymentMethods
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.saving import SaveDraft, start_saving
from payments.methods.services import remember_method, remove_method, set_default_method
from payments.routing.models import GatewayAccount
from tests.merchants.factories import make_user
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 20
CONSENT = {
    "text_version": "1", "language": "en", "accepted_at": "2026-11-01T00:00:00+00:00", "ip_address": "",
    "device_id": "", "user_agent": "", "max_amount_minor": None, "currency": "", "interval": "", "interval_count": 1,
    "first_charge_at": None,
}  # fmt: skip


def remember(user_id: str, account: GatewayAccount, merchant: Merchant, *, token: str, card: str) -> PaymentMethod:
    return remember_method(
        user_id=user_id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token=token, fingerprint=card),
        merchant_id=merchant.id,
        consent=CONSENT,
    )


def test_there_is_exactly_one_default_whatever_is_saved_chosen_and_removed_at_once(
    crew: Crew, tally: Tally, account: GatewayAccount, merchant: Merchant
) -> None:
    for trial in range(TRIALS):
        user = make_user().id
        rows = [remember(user, account, merchant, token=f"{trial}-{n}", card=f"{trial}-{n}") for n in range(4)]

        def choose(row: PaymentMethod, user: str = user) -> Any:
            return set_default_method(user_id=user, method_id=row.id)

        def remove(row: PaymentMethod) -> Any:
            remove_method(row.id, by="payer")

        def save(n: int, user: str = user, trial: int = trial) -> Any:
            return remember(user, account, merchant, token=f"{trial}-new-{n}", card=f"{trial}-new-{n}")

        work = [
            *[lambda r=row: choose(r) for row in rows[1:]],  # type: ignore[misc]  # bound now
            *[lambda r=row: remove(r) for row in rows[:2]],  # type: ignore[misc]  # bound now
            *[lambda n=n: save(n) for n in range(3)],  # type: ignore[misc]  # bound now
        ]
        tally.note(crew.at_once(*work))
        mine = PaymentMethod.objects.filter(user_id=user)
        assert mine.filter(is_default=True, status="active").count() == 1
        assert mine.filter(status="active").count() == 5
    tally.assert_no_surprise()


def test_one_card_saved_by_many_is_one_row_with_one_mandate_in_force(
    crew: Crew, tally: Tally, account: GatewayAccount, merchant: Merchant
) -> None:
    for trial in range(TRIALS):
        user = make_user().id
        work = [
            lambda n=n, t=trial, u=user: remember(u, account, merchant, token=f"{t}-{n}", card=str(t))  # type: ignore[misc]  # bound now
            for n in range(6)
        ]
        tally.note(crew.at_once(*work))
        row = PaymentMethod.objects.get(user_id=user, status="active")
        in_force = Mandate.objects.filter(payment_method__user_id=user, status="active")
        assert [mandate.payment_method_id for mandate in in_force] == [row.id]
        spares = PaymentMethod.objects.filter(user_id=user, merged_into=row)
        tokens = {spare.token for spare in spares} | {row.token}
        assert tokens == {f"{trial}-{n}" for n in range(6)}  # none is lost: each will be forgotten or charged
    tally.assert_no_surprise()


def test_no_more_than_the_limit_is_begun(
    crew: Crew, tally: Tally, account: GatewayAccount, merchant: Merchant, settings: Any
) -> None:
    settings.PAYCORE_MAX_PAYMENT_METHODS = 3
    for trial in range(5):
        user = make_user().id

        def save(n: int, user: str = user, trial: int = trial) -> Any:
            script = {"scenario": "require_action", "seconds": trial * 10 + n}
            return start_saving(SaveDraft(user, merchant.id, "card", "USD", options={"sandbox": script}))

        words = tally.note(crew.at_once(*[lambda n=n: save(n) for n in range(6)]))  # type: ignore[misc]  # bound now
        assert words.count(TooManyPaymentMethods.code) == 3
    counts = PaymentMethod.objects.values("user_id").annotate(n=Count("id")).values_list("n", flat=True)
    assert set(counts) == {3}
    tally.assert_no_surprise()
