"""Which gateway accounts may take a payment, in order of preference, with the reasons kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from paycore import clock
from paycore.money import Money
from payments.errors import MethodNotAvailable
from payments.routing.board import Board, current_board, forget_board
from payments.routing.budget import note_attempt
from payments.routing.conditions import conditions, forget_conditions
from payments.routing.deciding import RouteQuestion, Trace, decide, left_out, order
from payments.routing.models import GatewayAccount
from payments.routing.probes import may_probe
from payments.routing.quotas import quotas_taken

__all__ = [
    "Route",
    "RouteQuestion",
    "available_methods",
    "can_be_taken",
    "choose_accounts",
    "forget_accounts",
    "get_account",
    "likely_account",
    "quotas_taken",
    "replay",
    "without",
]


@dataclass(frozen=True, slots=True)
class Route:
    """Accounts to try, first one first; ``trace`` says why each candidate is in or out, for the payment's record."""

    accounts: tuple[GatewayAccount, ...]
    trace: dict[str, Any]


def choose_accounts(question: RouteQuestion) -> Route:
    """Eligible accounts: the merchant's own before the platform's, then by priority, then by expected cost, as far as
    no rule says otherwise; those that are ill are left out while another can do it.

    :class:`MethodNotAvailable` when none is eligible.
    """
    note_attempt()
    board = current_board()
    trace = _decide_now(question, board=board, may_probe=may_probe)
    if not trace["chosen"]:
        raise MethodNotAvailable(method=question.method, currency=question.amount.currency)
    return Route(accounts=tuple(board.accounts[account_id] for account_id in trace["chosen"]), trace=trace)


def likely_account(question: RouteQuestion) -> GatewayAccount | None:
    """Whom a payment would be sent to first, for those who only show it: no attempt is counted, no circuit is tried."""
    board = current_board()
    chosen = _decide_now(question, board=board, may_probe=_nobody_probes)["chosen"]
    return board.accounts[chosen[0]] if chosen else None


def can_be_taken(question: RouteQuestion) -> bool:
    """Whether some account is eligible, for those who only show it."""
    return likely_account(question) is not None


def _decide_now(question: RouteQuestion, *, board: Board, may_probe: Callable[[str, str], bool]) -> Trace:
    return decide(
        question,
        board=board,
        conditions=conditions(),
        now=clock.now(),
        failure_cost_basis_points=settings.PAYCORE_ROUTING_FAILURE_COST_BASIS_POINTS,
        may_probe=may_probe,
    )


def without(route: Route, accounts: Iterable[GatewayAccount], *, why: str) -> Route:
    """What is left of it, and a trace that says why and leads there."""
    by_id = {account.id: account for account in route.accounts}
    trace = left_out(route.trace, {account.id for account in accounts}, why=why)
    return Route(accounts=tuple(by_id[account_id] for account_id in trace["chosen"]), trace=trace)


def replay(trace: Trace) -> list[str]:
    """The order that a trace leads to, from the trace alone."""
    return order(trace)


def available_methods(*, merchant_id: str, amount: Money, country: str = "") -> list[str]:
    """Methods that some account can take for this amount, in order of preference, each once; those whose every account
    is ill come last."""
    board = current_board()
    now_known, now = conditions(), clock.now()
    ranks: dict[str, tuple[bool, int, int]] = {}
    for method in dict.fromkeys(method for account in board.accounts_for(merchant_id) for method in account.methods):
        trace = decide(
            RouteQuestion(merchant_id, amount, method, country=country),
            board=board,
            conditions=now_known,
            now=now,
            failure_cost_basis_points=0,
            may_probe=_nobody_probes,
        )
        if trace["chosen"]:
            ill = {entry["account"] for entry in trace["candidates"] if entry["excluded"]}
            taking = [board.accounts[account_id] for account_id in trace["chosen"]]
            best = min((account.priority, account.methods.index(method)) for account in taking)
            ranks[method] = (trace["chosen"][0] in ill, *best)
    return sorted(ranks, key=lambda method: ranks[method])


def _nobody_probes(_account_id: str, _method: str) -> bool:
    return False


def get_account(account_id: str) -> GatewayAccount | None:
    """One account by id, at most two seconds old; disabled ones as well (their payments still need answers)."""
    return current_board().accounts.get(account_id) or GatewayAccount.objects.filter(id=account_id).first()


def forget_accounts() -> None:
    """An account, a limit or a rule set was changed in this process."""
    forget_board()
    forget_conditions()
