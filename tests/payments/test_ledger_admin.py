"""The books and the callbacks as staff read them."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.models import LedgerAccount, LedgerSeal, Posting
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from payments.webhooks.models import WebhookReceipt
from tests.actors import MerchantServer, deliver_callbacks
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


def page(row: Any) -> str:
    return reverse(f"ops:payments_{row._meta.model_name}_change", args=[quote(row.pk)])


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def paid(merchant_server: MerchantServer, account: GatewayAccount) -> Payment:
    _order, payment = merchant_server.paid_order(amount_minor=20_000)
    return Payment.objects.get(id=payment["id"])


def test_ledger_rows_of_one_account_are_shown_as_their_sum(ops: Client, paid: Payment, account: GatewayAccount) -> None:
    first = LedgerAccount.objects.get(code=f"gateway:{account.id}")
    LedgerAccount.objects.create(
        code=first.code, currency="USD", shard=(first.shard + 1) % 16, kind="asset", balance_minor=500
    )
    address = reverse("ops:payments_ledgeraccount_changelist")
    summed, raw = (f"${minor / 100:.2f}" for minor in (first.balance_minor + 500, first.balance_minor))

    assert summed in ops.get(address, {"q": "gateway:"}).content.decode()
    assert raw in ops.get(address, {"q": "gateway:", "rows": "raw"}).content.decode()
    assert summed in ops.get(page(first)).content.decode()


def test_checking_the_chain_finds_a_seal_that_does_not_fit(ops: Client, paid: Payment) -> None:
    posted = Posting.objects.earliest("posted_at").posted_at
    LedgerSeal.objects.create(
        sealed_from=posted.replace(year=2020),
        sealed_until=posted.replace(year=posted.year + 1),
        transfer_count=3,
        previous_hash=bytes(32),
        hash=b"x" * 32,
    )
    address = reverse("ops:payments_ledgerseal_check_chain")

    answer = ops.post(address, {"_form_submitted": "on", "stretch": "288"}, follow=True)

    assert "1 seal is broken" in answer.content.decode()


def test_a_callback_is_shown_parsed(ops: Client, paid: Payment, sandbox: SandboxProvider) -> None:
    assert set(deliver_callbacks(sandbox)) == {200}

    text = ops.get(page(WebhookReceipt.objects.first())).content.decode()

    assert "paycore-json" in text
    assert paid.id in text
