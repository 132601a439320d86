"""Charges that nobody asks for, many at once: what comes of each, what is refused, and that a repeat is the same."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.identifiers import derived_id, new_id
from paycore.models import EventRecord, OutboxMessage
from paycore.money import Money
from payments.gateways.contract import SavedMethod
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.queries import balance_of, transfers_of
from payments.ledger.services import Entry, Leg, post, post_many
from payments.methods.mandates import Device, consent_as_row
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.services import remember_method
from payments.orders import batches
from payments.orders.batches import Charged, UnaskedCharge, charge_unasked, create_orders
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Evidence, Order, Payment
from payments.orders.services import OrderDraft, cancel_order
from payments.routing.models import GatewayAccount, GatewayQuota
from riskcontrol.lists import add_entry
from riskcontrol.models import ListEntry, RiskList
from tests.accounts.factories import UserFactory
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes
from tests.payments.test_methods import CONSENT, saved
from tests.payments.wallets import fill, wallet_account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _world(account: GatewayAccount, platform: Merchant) -> None:
    """A gateway account that keeps cards, and the platform as who may charge."""


@pytest.fixture
def now() -> datetime:
    return database_now()


def card_of(app_user: AppUser, **more: Any) -> PaymentMethod:
    return PaymentMethod.objects.get(id=saved(app_user, mandate=CONSENT, **more)["id"])


def order_for(user_id: str, platform: Merchant, *, amount_minor: int = 1999, now: datetime) -> Order:
    draft = OrderDraft(
        merchant_id=platform.id,
        amount=Money(amount_minor, "USD"),
        description="Premium",
        user_id=user_id,
        order_id=new_id("ord"),
        lifetime_seconds=86_400,
    )
    with transaction.atomic():
        return create_orders([draft], now=now)[0]


@pytest.fixture
def charge(app_user: AppUser, platform: Merchant, now: datetime) -> Callable[..., UnaskedCharge]:
    def make(*, method: PaymentMethod | None, attempt: int = 1, amount_minor: int = 1999) -> UnaskedCharge:
        order = order_for(app_user.user.id, platform, amount_minor=amount_minor, now=now)
        return UnaskedCharge(order.id, attempt, method, now)

    return make


def one(charge: UnaskedCharge) -> Charged:
    (charged,) = charge_unasked([charge])
    return charged


def test_many_cards_are_charged_and_every_order_is_paid_once(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], sandbox: SandboxProvider
) -> None:
    card = card_of(app_user)
    charges = [charge(method=card, amount_minor=1000 + number) for number in range(7)]

    charged = charge_unasked(charges)

    assert [row.order_id for row in charged] == [row.order_id for row in charges]
    payments = [row.payment for row in charged if row.payment]
    assert [payment.status for payment in payments] == ["succeeded"] * 7
    assert {payment.is_off_session for payment in payments} == {True}
    stored = Payment.objects.order_by("amount_minor")
    assert [row.captured_minor for row in stored] == [1000 + number for number in range(7)]
    assert [row.version for row in stored] == [payment.version for payment in payments]
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}
    assert EventRecord.objects.filter(name="order.paid").count() == 7
    assert Evidence.objects.filter(source="response", is_applied=True).count() == 7
    run_background()
    assert_books_are_whole()


def test_repeat_of_an_attempt_is_the_same_payment_and_takes_nothing_more(
    app_user: AppUser, charge: Callable[..., UnaskedCharge]
) -> None:
    asked = charge(method=card_of(app_user))
    first = one(asked)
    with nothing_changes():
        again = one(asked)
    assert again.payment == first.payment
    assert Payment.objects.count() == 1


def test_attempt_that_a_backup_forgot_is_the_same_request_to_the_provider(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], sandbox: SandboxProvider, platform: Merchant
) -> None:
    asked = charge(method=card_of(app_user))

    before_the_hour = transaction.savepoint()
    first = one(asked)
    transaction.savepoint_rollback(before_the_hour)
    assert Payment.objects.count() == 0

    again = one(asked)

    assert first.payment is not None
    assert again.payment is not None
    assert (again.payment.id, again.payment.status) == (first.payment.id, "succeeded")
    assert len(sandbox.book.rows("SELECT reference FROM txn")) == 1
    assert_books_are_whole()


def test_next_attempt_after_a_decline_is_another_payment(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], sandbox: SandboxProvider
) -> None:
    asked = charge(method=card_of(app_user))
    sandbox.script(derived_id("pay", asked.at, asked.order_id, 1), "decline(insufficient_funds)")

    declined = one(asked)
    paid = one(UnaskedCharge(asked.order_id, 2, asked.method, asked.at))

    assert declined.payment is not None
    assert (declined.payment.status, declined.payment.failure_code) == ("failed", "insufficient_funds")
    assert paid.payment is not None
    assert paid.payment.status == "succeeded"
    assert Order.objects.get().status == "paid"
    assert one(UnaskedCharge(asked.order_id, 3, asked.method, asked.at)).refusal == "order_not_open"


def test_silence_leaves_the_payment_to_be_asked_about(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], sandbox: SandboxProvider
) -> None:
    card = card_of(app_user)
    asked, other = charge(method=card), charge(method=card)
    sandbox.script(derived_id("pay", asked.at, asked.order_id, 1), "timeout_after_effect")

    unknown, paid = charge_unasked([asked, other])

    assert unknown.payment is not None
    assert (unknown.payment.status, paid.payment and paid.payment.status) == ("submitting", "succeeded")
    assert unknown.payment.next_attempt_at is not None
    assert one(asked).payment == unknown.payment


def test_what_may_not_be_charged_is_refused_before_anything_is_written(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], platform: Merchant, now: datetime
) -> None:
    card = card_of(app_user)
    dear = charge(method=card, amount_minor=5001)
    gone, canceled = charge(method=card), charge(method=card)
    cancel_order(canceled.order_id)
    stranger = UnaskedCharge(order_for(UserFactory().id, platform, now=now).id, 1, card, now)
    nobody = UnaskedCharge(new_id("ord"), 1, card, now)
    with nothing_changes():
        refused = charge_unasked([dear, canceled, stranger, nobody])
    assert [row.refusal for row in refused] == ["mandate_required", "order_not_open", "mandate_required", "not_found"]
    Mandate.objects.update(status="ended", ended_at=now)
    with nothing_changes():
        assert one(gone).refusal == "mandate_required"
    PaymentMethod.objects.update(status="removed", token=None, removed_at=now, is_default=False)
    card.refresh_from_db()
    with nothing_changes():
        assert one(UnaskedCharge(gone.order_id, 1, card, now)).refusal == "method_not_ready"


def test_order_that_was_read_before_it_was_canceled_is_not_charged(
    app_user: AppUser, platform: Merchant, now: datetime
) -> None:
    card, order = card_of(app_user), order_for(app_user.user.id, platform, now=now)
    cancel_order(order.id)
    assert order.status == "open", "as it was read"
    with nothing_changes():
        assert one(UnaskedCharge(order.id, 1, card, now, order)).refusal == "order_not_open"


def test_blocked_person_is_not_charged(app_user: AppUser, charge: Callable[..., UnaskedCharge]) -> None:
    asked = charge(method=card_of(app_user))
    blocking = RiskList.objects.create(name="blocked", effect="block")
    add_entry(risk_list=blocking, kind=ListEntry.Kind.USER, value=app_user.user.id, reason="fraud", added_by_id=None)
    with nothing_changes():
        assert one(asked).refusal == "refused_by_risk"


def test_account_with_a_quota_takes_as_much_as_it_allows(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], account: GatewayAccount
) -> None:
    card = card_of(app_user)
    GatewayQuota.objects.create(account=account, currency="USD", period="day", max_count=2)
    forget_everything()
    charged = charge_unasked([charge(method=card) for _number in range(3)])
    assert [row.refusal for row in charged] == ["", "", "quota_used_up"]
    assert Payment.objects.filter(status="succeeded").count() == 2


def test_wallet_pays_when_it_holds_enough(app_user: AppUser, charge: Callable[..., UnaskedCharge]) -> None:
    wallet_account()
    fill(app_user.user.id, Money(2500, "USD"))

    paid, empty = charge_unasked([charge(method=None), charge(method=None)])

    assert paid.payment is not None
    assert empty.payment is not None
    assert (paid.payment.status, empty.payment.status) == ("succeeded", "failed")
    assert empty.payment.failure_code == "insufficient_funds"
    assert_books_are_whole()


def test_row_that_moved_meanwhile_goes_through_the_door_alone(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_of(app_user)
    asked = [charge(method=card) for _number in range(3)]
    ask = batches._ask

    def ask_and_touch(intent: Any) -> Any:
        if intent.order.id == asked[1].order_id:
            Order.objects.filter(id=intent.order.id).update(description="touched")
        return ask(intent)

    monkeypatch.setattr(batches, "_ask", ask_and_touch)
    charged = charge_unasked(asked)
    assert [row.payment and row.payment.status for row in charged] == ["succeeded"] * 3
    assert set(Payment.objects.values_list("status", flat=True)) == {"succeeded"}
    run_background()
    assert_books_are_whole()


def test_batch_leaves_behind_what_a_single_payment_would(
    app_user: AppUser, charge: Callable[..., UnaskedCharge], platform: Merchant, now: datetime
) -> None:
    card = card_of(app_user)
    alone = order_for(app_user.user.id, platform, now=now)
    single = pay_order(alone, PayInstruction(method="card", saved=card, is_off_session=True))
    together = one(charge(method=card)).payment
    assert together is not None
    assert traces(single.id) == traces(together.id)


def traces(payment_id: str) -> list[Any]:
    """Everything about a payment but ids, times, risk's decision and the counters of versions."""
    payment = Payment.objects.select_related("order").get(id=payment_id)
    own = {"id", "order_id", "gateway_reference", "risk", "routing", "created_at", "updated_at", "succeeded_at"}
    ofs = {"id", "merchant_order_number", "created_at", "updated_at", "expires_at", "paid_at"}
    events = EventRecord.objects.filter(object_id__in=[payment.id, payment.order_id]).exclude(name="order.created")
    return [
        {k: v for k, v in vars(payment).items() if k not in own and not k.startswith("_")},
        {k: v for k, v in vars(payment.order).items() if k not in ofs and not k.startswith("_")},
        [(e.source, e.outcome, e.is_applied, e.note) for e in Evidence.objects.filter(object_id=payment.id)],
        [(event.name, sorted(event.payload)) for event in events.order_by("name")],
        sorted(
            (message.event.name, message.handler)
            for message in OutboxMessage.objects.filter(event__in=events).select_related("event")
        ),
        [
            (leg.posting.phase, leg.debit_account.code, leg.credit_account.code, leg.amount_minor)
            for leg in transfers_of("payment", payment.id)
        ],
    ]


def test_many_postings_are_what_single_ones_would_be(platform: Merchant) -> None:
    def entry(number: int, phase: str) -> Entry:
        fee = Money(number, "USD")
        legs = [
            Leg("gateway:g", "merchant:m:pending", Money(1000 + number, "USD")),
            Leg("revenue:fees", "gateway:g", fee),
        ]
        return Entry("test", f"t{number}", phase, legs)

    with transaction.atomic():
        for number in range(1, 6):
            post(entry(number, "one"))
    alone = {code: balance_of(code, currency="USD") for code in ("gateway:g", "merchant:m:pending", "revenue:fees")}
    with transaction.atomic():
        post_many([entry(number, "many") for number in range(1, 6)])
    assert {code: balance_of(code, currency="USD") for code in alone} == {
        code: amount * 2 for code, amount in alone.items()
    }
    with pytest.raises(IntegrityError, match="posting_once"), transaction.atomic(), nothing_changes():
        post_many([entry(9, "many"), entry(5, "many")])
    assert_books_are_whole()


def test_currencies_of_one_batch_stay_apart() -> None:
    with transaction.atomic():
        post_many(
            [
                Entry("test", "a", "x", [Leg("bank:b", "suspense", Money(7, "USD"))]),
                Entry("test", "b", "x", [Leg("bank:b", "suspense", Money(9, "JPY"))]),
            ]
        )
    assert (balance_of("suspense", currency="USD").minor, balance_of("suspense", currency="JPY").minor) == (7, 9)


def test_derived_id_is_the_same_for_the_same_and_sorts_by_its_moment(now: datetime) -> None:
    assert derived_id("pay", now, "ord_1", 1) == derived_id("pay", now, "ord_1", 1)
    assert len({derived_id("pay", now, "ord_1", number) for number in range(50)}) == 50
    assert derived_id("pay", now, "ord_1", 9) < derived_id("pay", now + timedelta(seconds=1), "ord_1", 1)


def test_order_that_exists_is_not_made_again(platform: Merchant, now: datetime) -> None:
    draft = OrderDraft(platform.id, Money(1, "USD"), "x", order_id=new_id("ord"))
    with transaction.atomic():
        create_orders([draft], now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        create_orders([draft], now=now)


def test_device_and_consent_are_what_a_mandate_needs(app_user: AppUser, account: GatewayAccount) -> None:
    """The fixture's mandate is a real one: remembered by the same function as a payer's."""
    method = remember_method(
        user_id=app_user.user.id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token="kept_x"),
        merchant_id=Merchant.objects.get(is_platform=True).id,
        consent=consent_as_row(CONSENT, device=Device(), now=database_now()),
    )
    assert method.mandates.get().allows(Money(5000, "USD"), now=database_now())
    assert not method.mandates.get().allows(Money(5000, "EUR"), now=database_now())
