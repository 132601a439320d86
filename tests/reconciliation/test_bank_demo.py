"""The demo's act about bank transfers, without the demo's server."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from reconciliation.bank_demo import take_a_transfer
from reconciliation.banking.models import BankEntry
from tests.reconciliation.bank_desk import BankDesk

pytestmark = pytest.mark.django_db


class Stage:
    """As much of the demo's stage as the act uses."""

    def __init__(self, desk: BankDesk) -> None:
        self.desk, self.told, self.lines = desk, {}, []  # type: ignore[var-annotated]

    def server(self) -> "Stage":
        return self

    def post(self, path: str, body: Any) -> Any:
        return self.desk.server.post(path, body).json()

    def require(self, holds: bool, what: str, seen: object) -> None:
        assert holds, (what, seen)

    def tell(self, text: str) -> None:
        self.lines.append(text)


def test_the_act_can_be_played_twice(desk: BankDesk, all_is_whole: Callable[[], None]) -> None:
    GatewayAccount.objects.filter(id=desk.account.id).update(name="Bank account")
    for name in ("ops", "review"):
        User.objects.create_user(f"{name}@demo.example", password="a long enough phrase")
    for times in (1, 2):
        stage = Stage(desk)
        take_a_transfer(stage)  # type: ignore[arg-type]  # a stand-in
        assert len(stage.lines) == 4
        assert Payment.objects.filter(status="succeeded").count() == times
    assert not BankEntry.objects.exclude(status="done").exists()
    all_is_whole()
