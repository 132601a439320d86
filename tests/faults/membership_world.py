"""400 days of many memberships: members who live their seeded lives, two workers who share the work and sometimes die,
and a provider whose answers get lost. Everything waits for the simulated clock, so that a run can be repeated."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
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
from tests.faults.membership_lives import LAST_DAY, TERMS, Life
from tests.faults.membership_restore import Backup
from tests.faults.membership_weather import Doom, Killed, Luck, StormyTransport
from tests.memberships.factories import make_catalogue, make_price
from tests.memberships.renewal_stage import Stage
from tests.payments.promotions.factories import make_promotion

STARTS_AT = datetime(2027, 1, 28, tzinfo=UTC)
"""So that members join on the 28th to the 31st, clocks change twice, and the last day is 29 February or later."""
MORNING, NOON = timedelta(hours=6), timedelta(hours=12)
STORMY = (timedelta(0), timedelta(minutes=2))
CALM = (timedelta(minutes=12), timedelta(minutes=25), timedelta(minutes=40))
"""After noon. Whatever got lost in the storm is found again on the same day."""
MOST_ROUNDS = 2_000
DYING_AT = (4, 12, 60)
"""Within so many commits: of a small batch, or of a large one."""
_AMOUNTS = {"USD": 1900, "EUR": 1700, "JPY": 2400}
_DUE = """
    SELECT EXISTS (SELECT 1 FROM memberships_subscription WHERE due_at <= %(now)s),
        EXISTS (SELECT 1 FROM memberships_subscription WHERE notice_at <= %(now)s),
        EXISTS (SELECT 1 FROM paycore_outboxmessage WHERE status = 'pending' AND next_attempt_at <= %(now)s),
        EXISTS (SELECT 1 FROM payments_payment WHERE next_attempt_at <= %(now)s),
        EXISTS (SELECT 1 FROM payments_refund WHERE next_attempt_at <= %(now)s),
        EXISTS (SELECT 1 FROM payments_order WHERE status = 'open' AND next_attempt_at <= %(now)s)
"""
_TASKS: tuple[tuple[Callable[[], int], ...], ...] = (
    (membership_tasks.renew_memberships, membership_tasks.advance_memberships),
    (membership_tasks.send_membership_notices,),
    (outbox.drain,),
    (payment_tasks.sync_pending_payments,),
    (payment_tasks.advance_refunds,),
    (payment_tasks.expire_orders,),
)
"""Who sees to what is due, in the order of ``_DUE``."""
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
    """``lives`` is what the members do; ``luck`` is what happens to workers and answers."""

    lives: Sequence[Life]
    luck: Luck
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
        self.dice = random.Random(self.luck.name)
        self.backup = Backup()
        self.by_token: dict[str, Member] = {}
        self.agenda: defaultdict[int, list[Member]] = defaultdict(list)
        self.is_member_there = False
        self.lives = sorted(self.lives, key=lambda life: (life.joins_on, life.number))
        self.stage = Stage(make_catalogue(), self.platform, self.account, self.sandbox)
        for plan in Plan.objects.filter(code__in=("premium", "platinum")):
            for currency, minor in _AMOUNTS.items():
                for interval, count in TERMS:
                    self.prices[plan.code, currency, interval] = self._price(plan, currency, minor, interval, count)
        make_promotion(self.platform, "HALF", percent_basis_points=5_000, duration="periods", periods=3)
        make_promotion(self.platform, "WEEKFREE", kind="free_days", free_days=7)

    def run(self, days: int = LAST_DAY) -> None:
        self.transport.refuses = self._is_shut
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="beat") as beats, self.doom.installed():
            for self.day in range(days):
                self._live_a_day(beats)
            self._disconnect(beats)

    def _live_a_day(self, beats: ThreadPoolExecutor) -> None:
        today = STARTS_AT + timedelta(days=self.day)
        self.transport.is_stormy = False
        self._timed("morning", lambda: self._morning(today))
        if self.day in self.luck.restored_on:
            self._disconnect(beats)
            self.backup.take()
        for after in (*STORMY, *CALM):
            if after == CALM[0] and self.day in self.luck.restored_on:
                self._disconnect(beats)
                self.backup.restore()
            if not any(self._due(today + NOON + after)):
                continue
            self.clock.set(today + NOON + after)
            self.transport.is_stormy = after in STORMY
            self._timed("beats", lambda: self._beat(beats, is_storm=self.transport.is_stormy))
            self._timed("callbacks", self._deliver_some)

    def _disconnect(self, beats: ThreadPoolExecutor) -> None:
        barrier = Barrier(2)

        def disconnect(_number: int) -> None:
            barrier.wait(60)
            connections.close_all()

        list(beats.map(disconnect, range(2)))

    def _due(self, at: datetime) -> tuple[bool, ...]:
        with connection.cursor() as cursor:
            cursor.execute(_DUE, {"now": at})
            return tuple(cursor.fetchone())

    def _morning(self, today: datetime) -> None:
        """One worker, fine weather: what members do themselves, to the second."""
        self.clock.set(today + MORNING)
        if any(self._due(self.clock.at)):
            membership_tasks.advance_memberships()
            payment_tasks.expire_orders()
            self._drain()
        for member in self.agenda.pop(self.day, ()):
            self._live(member, today)
        while len(self.members) < len(self.lives) and self.lives[len(self.members)].joins_on <= self.day:
            self._join(self.lives[len(self.members)], today)
        membership_tasks.recognise_revenue()

    # --- workers -------------------------------------------------------------------------------------------------

    def _beat(self, beats: ThreadPoolExecutor, *, is_storm: bool) -> None:
        """In a storm two workers at once, who may die; afterwards one."""
        fates = [self._fate(), self._fate()] if is_storm else [None]
        barrier = Barrier(len(fates))

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
        if self.dice.random() >= self.luck.deaths:
            return None
        return self.dice.randint(1, self.dice.choice(DYING_AT)), self.dice.choice(("before", "after"))

    def _work(self) -> None:
        """All that is due at this time, and what follows from it; what another worker has is left to it."""
        to_the_end(self._round)

    def _round(self) -> int:
        due = zip(self._due(self.clock.at), _TASKS, strict=True)
        return sum(task() for is_due, tasks in due if is_due for task in tasks)

    def _drain(self) -> None:
        to_the_end(outbox.drain)

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
        user = User.objects.create(email=f"{self.luck.name}-{life.number}@example.com", password="!")
        member = Member(life, user)
        self.members.append(member)
        for day in {*life.wishes, *(day for spell in life.spells for day in (spell.first, spell.last))}:
            self.agenda[day].append(member)
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


def to_the_end(task: Callable[[], int]) -> None:
    """The clock stands still: what is always due again is a claim that forgot to put it off."""
    for _round in range(MOST_ROUNDS):
        if not task():
            return
    raise AssertionError(f"{task} does not come to an end")
