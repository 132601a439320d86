"""400 days of many memberships: members who live their seeded lives, two workers who share the work and sometimes die,
and a provider whose answers get lost. Everything waits for the simulated clock, so that a run can be repeated."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

from django.db import connection, connections

from accounts.models import User
from memberships import tasks as membership_tasks
from memberships.models import Invoice, Plan, Price, Subscription
from memberships.subscriptions.cancelling import cancel_at_period_end, cancel_now, resume
from memberships.subscriptions.changing import ChangeWish, change_at_period_end, change_now
from memberships.subscriptions.collection import Collecting, set_collection
from memberships.subscriptions.pausing import pause, unpause
from memberships.subscriptions.recording import Why
from memberships.subscriptions.starting import StartDraft, subscribe
from merchants.models import Merchant
from paycore import outbox
from paycore.errors import PaycoreError
from payments import tasks as payment_tasks
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.scripts import script_text
from payments.methods.models import PaymentMethod
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Order
from payments.routing.models import GatewayAccount
from tests.actors import post_callback
from tests.faults.membership_clock import SimulatedClock
from tests.faults.membership_lives import LAST_DAY, TERMS, Life, life_of
from tests.faults.membership_weather import Doom, Killed, StormyTransport
from tests.memberships.factories import make_catalogue, make_price
from tests.memberships.renewal_stage import Stage
from tests.payments.promotions.factories import make_promotion

STARTS_AT = datetime(2027, 1, 28, tzinfo=UTC)
"""So that members join on the 28th to the 31st, clocks change twice, and the last day is 29 February or later."""
MORNING, NOON = timedelta(hours=6), timedelta(hours=12)
STORMY = (timedelta(0), timedelta(minutes=2))
CALM = (timedelta(minutes=12), timedelta(minutes=25), timedelta(minutes=40))
"""After noon. Whatever got lost in the storm is found again on the same day."""
_AMOUNTS = {"USD": 1900, "EUR": 1700, "JPY": 2400}
_ANYTHING_DUE = """
    SELECT EXISTS (SELECT 1 FROM memberships_subscription WHERE due_at <= %(now)s OR notice_at <= %(now)s)
        OR EXISTS (SELECT 1 FROM paycore_outboxmessage WHERE status = 'pending')
        OR EXISTS (SELECT 1 FROM payments_payment WHERE next_attempt_at <= %(now)s)
        OR EXISTS (SELECT 1 FROM payments_refund WHERE next_attempt_at <= %(now)s)
        OR EXISTS (SELECT 1 FROM payments_order WHERE status = 'open' AND next_attempt_at <= %(now)s)
"""
_PLAIN: dict[str, Callable[..., object]] = {
    "cancel_later": cancel_at_period_end,
    "cancel_now": cancel_now,
    "resume": resume,
    "unpause": unpause,
}
_DAYS = {"day": 10, "week": 7, "month": 30, "quarter": 91, "year": 365}


@dataclass
class Member:
    life: Life
    user: User
    token: str = ""
    card: PaymentMethod | None = None
    log: list[tuple[int, str, str]] = field(default_factory=list)

    def subscription(self) -> Subscription | None:
        """The one that was made last."""
        return Subscription.objects.filter(user=self.user).order_by("-created_at", "-id").first()


@dataclass
class World:
    """``seed`` is what the members do; ``luck`` is what happens to workers and answers."""

    seed: str
    luck: str
    size: int
    clock: SimulatedClock
    sandbox: SandboxProvider
    transport: StormyTransport
    platform: Merchant
    account: GatewayAccount
    doom: Doom = field(default_factory=Doom)
    members: list[Member] = field(default_factory=list)
    prices: dict[tuple[str, str, str], Price] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    day: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.luck)
        self.by_token: dict[str, Member] = {}
        self.is_member_there = False
        lives = [life_of(number, seed=self.seed) for number in range(self.size)]
        self.lives = sorted(lives, key=lambda life: (life.joins_on, life.number))
        self.stage = Stage(make_catalogue(), self.platform, self.account, self.sandbox)
        for plan in Plan.objects.filter(code__in=("premium", "platinum")):
            for currency, minor in _AMOUNTS.items():
                for interval, count in TERMS:
                    self.prices[plan.code, currency, interval] = self._price(plan, currency, minor, interval, count)
        make_promotion(self.platform, "HALF", percent_basis_points=5_000, duration="periods", periods=3)
        make_promotion(self.platform, "WEEKFREE", kind="free_days", free_days=7)

    def run(self, days: int = LAST_DAY) -> None:
        self.transport.refuses = self._is_shut
        barrier = Barrier(2)
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="beat") as beats, self.doom.installed():
            for self.day in range(days):
                self._live_a_day(beats)
            list(beats.map(lambda _number: (barrier.wait(), connections.close_all()), range(2)))

    def _live_a_day(self, beats: ThreadPoolExecutor) -> None:
        today = STARTS_AT + timedelta(days=self.day)
        self.transport.is_stormy = False
        self._timed("morning", lambda: self._morning(today))
        for after in (*STORMY, *CALM):
            self.clock.set(today + NOON + after)
            self.transport.is_stormy = after in STORMY
            if not self._is_anything_due():
                continue
            self._timed("beats", lambda: self._two_beats(beats, is_deadly=self.transport.is_stormy))
            self._timed("callbacks", self._deliver_some)

    def _is_anything_due(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_ANYTHING_DUE, {"now": self.clock.at})
            return bool(cursor.fetchone()[0])

    def _morning(self, today: datetime) -> None:
        """One worker, fine weather: what members do themselves, to the second."""
        self.clock.set(today + MORNING)
        membership_tasks.advance_memberships()
        self._drain()
        for member in self.members:
            self._live(member, today)
        while len(self.members) < self.size and self.lives[len(self.members)].joins_on <= self.day:
            self._join(self.lives[len(self.members)], today)
        self._drain()
        membership_tasks.recognise_revenue()
        payment_tasks.expire_orders()

    # --- workers -------------------------------------------------------------------------------------------------

    def _two_beats(self, beats: ThreadPoolExecutor, *, is_deadly: bool) -> None:
        barrier = Barrier(2)
        fates = [self._fate() if is_deadly else None for _number in range(2)]

        def beat(fate: tuple[int, str] | None) -> None:
            barrier.wait(60)
            if fate:
                self.doom.await_death(nth=fate[0], moment=fate[1])
            try:
                self._work()
            except Killed:
                pass
            except BaseException as error:
                self.surprises.append(f"day {self.day}: {type(error).__name__}: {error!r:.600}")
            finally:
                self.doom.spare()

        list(beats.map(beat, fates))

    def _fate(self) -> tuple[int, str] | None:
        if self.dice.random() > 0.25:
            return None
        return self.dice.randrange(1, 12), self.dice.choice(("before", "after"))

    def _work(self) -> None:
        while membership_tasks.renew_memberships() or membership_tasks.advance_memberships():
            pass
        self._drain()
        payment_tasks.sync_pending_payments()
        payment_tasks.advance_refunds()
        payment_tasks.expire_orders()
        self._drain()
        membership_tasks.advance_memberships()
        membership_tasks.send_membership_notices()
        self._drain()

    def _drain(self) -> None:
        while outbox.drain():
            pass

    def _deliver_some(self) -> None:
        """One callback in five arrives."""
        for callback in self.sandbox.take_callbacks():
            if not self.dice.randrange(5):
                post_callback(*callback)

    def _timed(self, what: str, act: Callable[[], Any]) -> None:
        started = time.perf_counter_ns()
        act()
        self.spent[what] += time.perf_counter_ns() - started

    # --- members -------------------------------------------------------------------------------------------------

    def _price(self, plan: Plan, currency: str, minor: int, interval: str, count: int) -> Price:
        made = Price.objects.filter(plan=plan, currency=currency, interval=interval, interval_count=count).first()
        times = 2 if plan.code == "platinum" else 1
        trial = 14 if interval in ("week", "quarter") else 0
        return made or make_price(
            plan, minor * times * _DAYS[interval] // 30 + 7, currency, interval=interval, interval_count=count,
            trial_days=trial, setup_fee_minor=300 if interval == "year" else 0,
        )  # fmt: skip

    def _is_shut(self, token: str) -> bool:
        member = self.by_token.get(token)
        return member is not None and not self.is_member_there and self.day in member.life.shut_days

    def _join(self, life: Life, today: datetime) -> None:
        user = User.objects.create(email=f"{self.luck}-{life.number}@example.com", password="!")
        member = Member(life, user)
        self.members.append(member)
        self._take_new_card(member)
        self._at(today, life)
        self._note(member, "join", lambda: self._subscribe(member))

    def _at(self, today: datetime, life: Life) -> None:
        self.clock.set(today + MORNING + timedelta(seconds=life.second_of_day))

    def _subscribe(self, member: Member) -> None:
        life = member.life
        assert member.card is not None
        later = self.clock.at + timedelta(days=11) if life.start == "scheduled" else None
        draft = StartDraft(
            member.user,
            self.prices[life.plan, life.currency, life.interval].id,
            country=life.country,
            time_zone=life.zone,
            starts_at=later.replace(hour=6, minute=0, second=0) if later else None,
            promotion_code=life.coupon,
            collecting=Collecting("method", member.card.id),
        )
        started = subscribe(draft, now=self.clock.at)
        self._pay(member, started.invoice)

    def _pay(self, member: Member, invoice: Invoice | None) -> None:
        if invoice is None or invoice.order_id is None:
            return
        self.is_member_there = True
        try:
            pay_order(Order.objects.get(id=invoice.order_id), PayInstruction(method="card", saved=member.card))
        finally:
            self.is_member_there = False
        self._drain()

    def _take_new_card(self, member: Member) -> None:
        member.card = self.stage.card(member.user, max_amount_minor=10_000_000, currency=member.life.currency)
        member.token = str(member.card.token)
        self.by_token[member.token] = member

    def _live(self, member: Member, today: datetime) -> None:
        life = member.life
        for spell in life.spells:
            if self.day == spell.first:
                self._script(member, f"later_decline({spell.code})")
            if self.day == spell.last and spell.ends == "mended":
                self._script(member, "approve")
            if self.day == spell.last and spell.ends == "new_card":
                self._at(today, life)
                self._note(member, "new_card", lambda: self._replace_card(member))
        wish = life.wishes.get(self.day)
        if wish:
            self._at(today, life)
            self._note(member, wish, lambda: self._grant(member, wish))

    def _note(self, member: Member, wish: str, act: Callable[[], None]) -> None:
        try:
            act()
        except PaycoreError as error:
            member.log.append((self.day, wish, error.code))
        else:
            member.log.append((self.day, wish, "done"))
        self._drain()

    def _script(self, member: Member, script: str) -> None:
        with self.sandbox.book.transaction():
            keep = self.sandbox.book.find_keep_by_token(member.token)
            assert keep is not None
            keep.script = script_text(sandbox=script, token=None)
            self.sandbox.book.save_keep(keep)

    def _replace_card(self, member: Member) -> None:
        row = member.subscription()
        self._take_new_card(member)
        if row is None or member.card is None:
            return
        set_collection(
            row.id, Collecting("method", member.card.id), user_id=member.user.id, amount=row.credit, by=member.user.id,
            now=self.clock.at,
        )  # fmt: skip

    def _grant(self, member: Member, wish: str) -> None:
        row = member.subscription()
        if row is None:
            return
        if wish in ("new_card", "come_back"):
            (self._replace_card if wish == "new_card" else self._subscribe)(member)
            return
        mine: dict[str, Any] = {"user_id": member.user.id, "why": Why(wish, member.user.id, self.clock.at)}
        if wish in _PLAIN:
            _PLAIN[wish](row.id, **mine)
        elif wish in ("pause", "pause_long"):
            until = (self.clock.at + timedelta(days=45)).replace(hour=6, minute=0, second=0)
            pause(row.id, until=until, **mine)
        elif wish == "downgrade":
            change_at_period_end(row.id, ChangeWish(price_id=self._other_price(row, wish).id), **mine)
        else:
            changed = change_now(row.id, ChangeWish(price_id=self._other_price(row, wish).id), **mine)
            self._pay(member, None if wish == "forget_change" else changed.invoice)

    def _other_price(self, row: Subscription, wish: str) -> Price:
        assert row.price is not None
        plan, interval = row.plan.code, row.price.interval
        if wish == "rhythm":
            return self.prices[plan, row.currency, "month" if interval != "month" else "quarter"]
        return self.prices["premium" if plan == "platinum" else "platinum", row.currency, interval]
