"""Members whose next period is due, and paycore renewing them in this process. Import once Django is set up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import User
from memberships.models import Period, Plan, PlanVersion, Price, Subscription, Tier
from memberships.renewals.stepping import renew_due
from merchants.models import Merchant
from paycore.clock import database_now
from payments.gateways.contract import Outcome, PaymentResult
from payments.methods.models import Mandate, PaymentMethod
from payments.orders import batches
from payments.routing.models import GatewayAccount
from payments.routing.services import forget_accounts

BATCH = 500
FEE = 88

# As make_due() makes them, but not due for long: copies of one user and one subscription under other ids.
_MANY = """
    INSERT INTO {table} SELECT copied.* FROM {table} AS one, generate_series(%(first)s, %(last)s) AS n,
        jsonb_populate_record(one, jsonb_build_object({changes})) AS copied
    WHERE one.id = %(id)s
"""
_CHANGES = {
    "accounts_user": "'id', 'usr_many' || lpad(n::text, 22, '0'), 'email', 'many' || n || '@example.com'",
    "memberships_subscription": "'id', 'sub_many' || lpad(n::text, 22, '0'),"
    " 'user_id', 'usr_many' || lpad(n::text, 22, '0'), 'due_at', now() + interval '300 days',"
    " 'period_ends_at', now() + interval '300 days'",
}


class Club:
    """The platform with one plan, and a provider whose answer costs nothing: it is not what is measured."""

    def __init__(self) -> None:
        self._merchant = Merchant.objects.create(name="Paycore", country="US", status="approved", is_platform=True)
        self._account = GatewayAccount.objects.create(
            name="Cards",
            gateway="sandbox",
            base_url="https://provider.invalid",
            credentials={"secret": "x" * 32},
            methods=["card"],
        )
        forget_accounts()
        tier = Tier.objects.create(code="premium", name_en="Premium", name_zh="高级版", rank=1)
        plan = Plan.objects.create(tier=tier, code="premium", name_en="Premium", name_zh="高级版")
        self._version = PlanVersion.objects.create(plan=plan, number=1, features={"exports": 100, "projects": 20})
        self._price = Price.objects.create(plan=plan, currency="USD", amount_minor=1999)
        self._made = 0
        batches._ask = _say_yes

    def make_due(self, count: int) -> None:
        """``count`` members whose period ended a minute ago, each with a card and a mandate."""
        now = database_now()
        starts_at, ends_at = now - timedelta(days=30), now - timedelta(minutes=1)
        first, self._made = self._made, self._made + count
        users = [
            User(email=f"member{number}@example.com", name="", password="!") for number in range(first, first + count)
        ]
        User.objects.bulk_create(users, batch_size=BATCH)
        cards = [self._card(user) for user in users]
        PaymentMethod.objects.bulk_create(cards, batch_size=BATCH)
        Mandate.objects.bulk_create([self._mandate(card, now=now) for card in cards], batch_size=BATCH)
        subscriptions = [
            self._subscription(user, card, starts_at=starts_at, ends_at=ends_at)
            for user, card in zip(users, cards, strict=True)
        ]
        Subscription.objects.bulk_create(subscriptions, batch_size=BATCH)
        Period.objects.bulk_create([self._period(row) for row in subscriptions], batch_size=BATCH)

    def make_many(self, count: int) -> None:
        """``count`` members more that are not due."""
        done = Subscription.objects.filter(id__startswith="sub_many").count()
        one = Subscription.objects.exclude(id__startswith="sub_many")[0]
        ids = {"accounts_user": one.user_id, "memberships_subscription": one.id}
        with connection.cursor() as cursor:
            for first in range(done + 1, count + 1, 50_000):
                span = {"first": first, "last": min(first + 49_999, count)}
                for name, changes in _CHANGES.items():
                    cursor.execute(_MANY.format(table=name, changes=changes), {**span, "id": ids[name]})
            cursor.execute("ANALYZE memberships_subscription; ANALYZE accounts_user; ANALYZE memberships_period")

    def _card(self, user: User) -> PaymentMethod:
        return PaymentMethod(
            user=user,
            gateway_account=self._account,
            method="card",
            status=PaymentMethod.Status.ACTIVE,
            token=f"kept_{user.id}",
            last4="4242",
        )

    def _mandate(self, card: PaymentMethod, *, now: datetime) -> Mandate:
        return Mandate(
            payment_method=card,
            merchant=self._merchant,
            status=Mandate.Status.ACTIVE,
            text_version="renewals-1",
            language="en",
            accepted_at=now - timedelta(days=30),
        )

    def _subscription(self, user: User, card: PaymentMethod, *, starts_at: datetime, ends_at: datetime) -> Subscription:
        return Subscription(
            user=user,
            status=Subscription.Status.ACTIVE,
            plan_id=self._price.plan_id,
            price=self._price,
            currency="USD",
            anchor_at=starts_at,
            period_number=1,
            period_started_at=starts_at,
            period_ends_at=ends_at,
            collection=Subscription.Collection.METHOD,
            payment_method=card,
            due_at=ends_at,
        )

    def _period(self, row: Subscription) -> Period:
        return Period(
            subscription=row,
            number=1,
            status=Period.Status.PAID,
            plan_version=self._version,
            price=self._price,
            starts_at=row.period_started_at,
            ends_at=row.period_ends_at,
        )


def renew(count: int) -> None:
    """The worker's own task, until ``count`` were looked at."""
    done = 0
    while done < count:
        seen = renew_due(limit=BATCH)
        if not seen:
            raise SystemExit(f"{done} of {count} were due")
        done += seen


def require_renewed(count: int, *, since: datetime) -> None:
    """Each has one more paid period, invoice, order, payment, and the books know them."""
    counts: Sequence[tuple[str, str]] = (
        ("periods", "memberships_period WHERE number > 1 AND status = 'paid' AND created_at >= %s"),
        ("invoices", "memberships_invoice WHERE status = 'paid' AND created_at >= %s"),
        ("orders", "payments_order WHERE status = 'paid' AND created_at >= %s"),
        ("payments", "payments_payment WHERE status = 'succeeded' AND created_at >= %s"),
        ("postings", "payments_posting WHERE business_type = 'payment' AND posted_at >= %s"),
        ("postings of invoices", "payments_posting WHERE business_type = 'invoice' AND posted_at >= %s"),
        ("news", "paycore_event WHERE name = 'membership.changed' AND occurred_at >= %s"),
    )
    with connection.cursor() as cursor:
        for name, rows in counts:
            cursor.execute(f"SELECT count(*) FROM {rows}", [since])
            if cursor.fetchone()[0] != count:
                raise SystemExit(f"not {count} {name}")


def _say_yes(intent: Any) -> tuple[PaymentResult, str]:
    payment = intent.payment
    result = PaymentResult(
        payment.id,
        Outcome.SUCCEEDED,
        gateway_reference=f"ch_{payment.id}",
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        captured_minor=payment.amount_minor,
        fee_minor=FEE,
        occurred_at=datetime.now(UTC),
    )
    return result, ""
