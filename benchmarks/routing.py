"""G13: CPU of one routing decision, from one account without rules to 50 accounts with 200 rules, limits and rates."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.rig.databases import prepare_ours
from benchmarks.rig.percentiles import percentiles_ms
from benchmarks.rig.tables import conditions, table

DECISIONS = 5_000
SCENES = (("1 account, no rules", 1, 0), ("10 accounts, 20 rules", 10, 20), ("50 accounts, 200 rules", 50, 200))


def main() -> None:
    prepare_ours()
    conditions("one thread", f"{DECISIONS} decisions each, CPU of the thread; nothing is changed meanwhile")
    rows = []
    for name, accounts, rules in SCENES:
        _prepare(accounts=accounts, rules=rules)
        taken, queries, candidates = _measure()
        parts = percentiles_ms(taken)
        rows.append([name, parts["p50"], parts["p99"], queries, candidates])
    table(["choose_accounts", "p50 CPU ms", "p99 CPU ms", "queries", "eligible"], rows)


def _measure() -> tuple[list[float], int, int]:
    from merchants.models import Merchant
    from paycore.money import Money
    from payments.routing import board, conditions
    from payments.routing.services import RouteQuestion, choose_accounts, forget_accounts

    forget_accounts()
    merchant_id = Merchant.objects.values_list("id", flat=True)[0]
    questions = [
        RouteQuestion(merchant_id, Money(1_000 + number * 37, "USD"), "card", country="DE", subject=f"ord_{number}")
        for number in range(500)
    ]
    for question in questions:
        choose_accounts(question)
    taken: list[float] = []
    with _counted_queries() as seen, _fresh_for_long(board._boards, conditions._conditions):
        eligible = len(choose_accounts(questions[0]).accounts)
        gc.collect()
        for number in range(DECISIONS):
            question = questions[number % len(questions)]
            began = time.thread_time()
            choose_accounts(question)
            taken.append(time.thread_time() - began)
    return taken, len(seen), eligible


@contextmanager
def _fresh_for_long(*memories: Any) -> Iterator[None]:
    """What is looked up every two seconds is not what is measured here."""
    for memory in memories:
        memory._known = {key: (entry[0] + 3_600, entry[1]) for key, entry in memory._known.items()}
    yield
    for memory in memories:
        memory.forget()


@contextmanager
def _counted_queries() -> Iterator[list[str]]:
    from django.db import connection

    seen: list[str] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        yield seen


def _prepare(*, accounts: int, rules: int) -> None:
    """As a large shop has them: most rules are about the method and currency asked for, and few match."""
    from accounts.models import User
    from merchants.models import Merchant
    from payments.routing.models import GatewayAccount, GatewayFee, GatewayQuota, RoutingRule
    from payments.routing.rule_sets import Draft, activate, create_draft

    Merchant.objects.get_or_create(name="Routed", defaults={"country": "US", "status": "approved"})
    GatewayAccount.objects.update(is_enabled=False)
    made = [
        GatewayAccount.objects.create(
            name=f"Account {number}", gateway="sandbox", base_url="inprocess://x", credentials={"secret": "s"},
            methods=["card", "sandbox_qr"], fee_basis_points=100 + number, fee_fixed_minor=number,
            countries=["DE", "FR", "US"] if number % 2 else [], max_amount_minor=10_000_000,
        )
        for number in range(accounts)
    ]  # fmt: skip
    for number, account in enumerate(made[1:]):
        if number % 5 == 0:
            GatewayQuota.objects.create(account=account, currency="USD", period="day", max_amount_minor=10**12)
            GatewayFee.objects.create(account=account, method="card", countries=["DE"], basis_points=90)
    if not rules:
        return
    writer, other = (User.objects.create(name=name, email=f"{name}{rules}@bench.example") for name in ("a", "b"))
    draft = create_draft(Draft(author_id=writer.id))
    for number in range(rules):
        RoutingRule.objects.create(
            rule_set=draft, position=number, name=f"Rule {number}", kind=("prefer", "exclude")[number % 2],
            accounts=[made[number % accounts].id], methods=["card"] if number % 4 else [],
            currencies=["USD", "EUR"] if number % 3 else [], countries=["DE", "AT"] if number % 5 else [],
            min_amount_minor=None if number == rules - 2 else 10**8 + number,
        )  # fmt: skip
    activate(draft.id, by_id=other.id)


if __name__ == "__main__":
    main()
