"""Members whose time can be moved, who are charged by cards that the sandbox provider keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

from accounts.models import User
from memberships.models import Invoice, Period, Price, Subscription
from memberships.renewals.collecting import attempt_id
from memberships.renewals.stepping import renew_due, step_due
from memberships.renewals.ways import waiting_periods
from merchants.models import Merchant
from paycore import clock
from paycore.clock import database_now
from paycore.identifiers import new_id
from paycore.notifications.models import Notification
from payments.gateways.contract import SavedMethod
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.keeps import new_keep
from payments.gateways.sandbox.provider.scripts import script_text
from payments.methods.mandates import Device, consent_as_row
from payments.methods.models import PaymentMethod
from payments.methods.services import remember_method
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from tests.actors import run_background
from tests.memberships.members import make_member

CONSENT = {
    "text_version": "2026-11",
    "language": "en",
    "max_amount_minor": 100_000,
    "currency": "USD",
}


@dataclass
class Stage:
    price: Price
    platform: Merchant
    account: GatewayAccount
    sandbox: SandboxProvider

    def member(self, *, script: str = "approve", ago: timedelta = timedelta(minutes=1), **more: Any) -> Subscription:
        """Active, with a card that plays ``script`` when it is charged, and a period that ended ``ago``."""
        user = more.pop("user", None) or self.user()
        price = more.pop("price", self.price)
        started = more.pop("started", None) or self.period_before(database_now() - ago)
        if "payment_method" not in more:
            more["payment_method"] = self.card(user, script=script)
        return make_member(user, price, started=started, **{"collection": "method"} | more)

    def user(self, **more: Any) -> User:
        return User.objects.create(email=f"{new_id('m')}@example.com", password="!", **more)

    def period_before(self, ends_at: datetime) -> datetime:
        """When a month that ends then has begun; from the first to the 28th of a month."""
        day = ends_at.replace(day=min(ends_at.day, 28))
        return (day - timedelta(days=31)).replace(day=day.day) if day.day == ends_at.day else ends_at - timedelta(31)

    def card(self, user: User, *, script: str = "approve", **consent: Any) -> PaymentMethod:
        return remember_method(
            user_id=user.id,
            gateway_account_id=self.account.id,
            method="card",
            saved=SavedMethod(token=self.keep(script), brand="sandbox", last4="4242", fingerprint=new_id("f")),
            merchant_id=self.platform.id,
            consent=consent_as_row(CONSENT | consent, device=Device(), now=database_now()),
        )

    def keep(self, script: str = "approve") -> str:
        """The token of a card at the provider; a script other than ``approve`` is what every later charge plays."""
        later = "approve" if script == "approve" else f"later_{script}"
        keep = new_keep(
            reference=new_id("pm"),
            via="card",
            who="x",
            script=script_text(sandbox=later, token=None),
            title="",
            back_to="",
            tell="",
            now=self.sandbox.clock(),
        )
        keep.state = "KEPT"
        with self.sandbox.book.transaction():
            self.sandbox.book.save_keep(keep)
        return keep.keep

    def mend(self, subscription: Subscription) -> None:
        """The member's card works from now on."""
        method = PaymentMethod.objects.get(id=str(subscription.payment_method_id))
        with self.sandbox.book.transaction():
            keep = self.sandbox.book.find_keep_by_token(str(method.token))
            assert keep is not None
            keep.script = script_text(sandbox="approve", token=None)
            self.sandbox.book.save_keep(keep)

    def script_next(self, subscription: Subscription, script: str) -> str:
        """What the next attempt to collect its open period plays; the attempt's payment id."""
        (waiting,) = waiting_periods([subscription.id])
        number = attempt_id(waiting)
        self.sandbox.script(number, script)
        return number

    def taken(self) -> dict[str, int]:
        """What the provider took, by our order, every payment counted."""
        with self.sandbox.book.transaction():
            rows = self.sandbox.book.rows("SELECT shop_order, taken FROM txn WHERE taken > 0")
        found: dict[str, int] = {}
        for order_id, taken in rows:
            found[order_id] = found.get(order_id, 0) + taken
        return found

    def charges(self) -> int:
        with self.sandbox.book.transaction():
            return len(self.sandbox.book.rows("SELECT 1 FROM txn WHERE taken > 0"))


def work(*, rounds: int = 1) -> None:
    """What the beats and workers would do now."""
    for _round in range(rounds):
        renew_due()
        step_due()
        run_background()
        step_due()


def pass_time(subscription: Subscription, by: timedelta) -> datetime:
    """For its user, in sandbox mode."""
    return clock.advance(subject=subscription.user_id, by=by)


def pass_until(subscription: Subscription, moment: datetime) -> datetime:
    return pass_time(subscription, moment - database_now(subject=subscription.user_id) + timedelta(seconds=1))


def fresh(subscription: Subscription) -> Subscription:
    return Subscription.objects.get(id=subscription.id)


def periods_of(subscription: Subscription) -> list[tuple[int, str, str]]:
    rows = Period.objects.filter(subscription_id=subscription.id).order_by("number")
    return [(row.number, str(row.kind), str(row.status)) for row in rows]


def renewal_of(subscription: Subscription) -> Invoice:
    return Invoice.objects.filter(subscription=subscription, kind="renewal").select_related("order").latest("id")


def attempts_of(subscription: Subscription) -> list[str]:
    invoice = renewal_of(subscription)
    rows = Payment.objects.filter(order_id=invoice.order_id).order_by("created_at", "id")
    return [str(row.status) for row in rows]


def told(subscription: Subscription) -> list[str]:
    rows = Notification.objects.filter(user_id=subscription.user_id).order_by("id")
    return list(rows.values_list("template", flat=True))


def assert_periods_tile(subscriptions: Sequence[Subscription]) -> None:
    """Whatever counts follows on what came before, without a gap; and no number is there twice."""
    for subscription in subscriptions:
        rows = list(Period.objects.filter(subscription=subscription, status__in=["open", "paid"]).order_by("number"))
        for before, after in pairwise(rows):
            assert before.ends_at == after.starts_at, f"{subscription.id}: {before.ends_at} {after.starts_at}"
        assert len({row.number for row in rows}) == len(rows)


def hold_lock(subscription: Subscription) -> None:
    """In the running transaction of this thread."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM memberships_subscription WHERE id = %s FOR UPDATE", [subscription.id])
