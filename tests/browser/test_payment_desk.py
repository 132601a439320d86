"""People at their desks: an account is connected, rules are tried, a bank file is read, a dispute is answered."""

import re
from pathlib import Path

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from merchants.models import Merchant
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.disputes.models import Dispute, DisputeFile
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount, RoutingTrial
from reconciliation.tasks import read_bank_statements, settle_bank_lines
from tests.actors import MerchantServer, assert_books_are_whole
from tests.browser.conftest import World
from tests.browser.signed_in import open_as
from tests.browser.test_consoles import press
from tests.conftest import SANDBOX_SECRET
from tests.merchants.factories import make_member, make_user
from tests.payments.disputed import PDF, Quarrel
from tests.reconciliation.bank_desk import BankDesk, Said, camt
from tests.reconciliation.conftest import desk

__all__ = ["desk"]  # the fixture


@pytest.fixture
def ops(page: Page, address: str) -> Page:
    cache.clear()
    open_as(page, address, site="ops", user=make_user(is_staff=True, is_superuser=True))
    return page


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_secrets_of_a_gateway_account_go_in_and_never_come_out(
    ops: Page, address: str, sandbox: SandboxProvider
) -> None:
    ops.goto(f"{address}/ops/payments/gatewayaccount/add/")
    ops.get_by_role("link", name="Sandbox", exact=True).click()
    ops.get_by_label("Name").fill("Second sandbox")
    ops.get_by_label("Provider's address").fill(sandbox.base_url)
    ops.get_by_label("secret", exact=False).first.fill(SANDBOX_SECRET)
    ops.get_by_label("Card").check()
    ops.get_by_role("button", name="Save and continue editing").click()
    expect(ops.get_by_text("was added successfully")).to_be_visible()

    account = GatewayAccount.objects.get()
    assert account.credentials["secret"] == SANDBOX_SECRET
    assert SANDBOX_SECRET not in ops.content()
    expect(ops.locator("[name=secret__secret]")).to_have_value("")
    save(ops)  # nothing typed, nothing lost
    expect(ops.get_by_text("was changed successfully")).to_be_visible()
    account.refresh_from_db()
    assert account.credentials["secret"] == SANDBOX_SECRET


def test_a_draft_of_routing_rules_is_tried_on_the_past(
    ops: Page, address: str, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    for _payment in range(3):
        order = merchant_server.create_order(amount_minor=2_000)
        assert merchant_server.pay(order["id"]).status_code == 201
    ops.goto(f"{address}/ops/payments/routingruleset/add/")
    ops.get_by_label("What it is for").fill("No cards here")
    ops.get_by_role("button", name="Save and continue editing").click()
    ops.get_by_role("link", name="Add a rule").first.click()
    ops.get_by_label("Name").fill("Leave it out")
    ops.locator("[name=kind]").select_option("exclude")
    ops.locator("[name=account_1]").select_option(account.id, force=True)
    save(ops)
    expect(ops.get_by_text("Leave it out").first).to_be_visible()
    press(ops, "Try on the past", submit="Try")

    expect(ops).to_have_url(re.compile(r"/routingtrial/.+/change/"))
    trial = RoutingTrial.objects.get()
    assert trial.looked_at == 3
    assert trial.rule_set.status == "draft"
    expect(ops.get_by_text("Done", exact=True).first).to_be_visible()
    expect(ops.get_by_text("limit_reached")).to_have_count(0)
    assert ops.evaluate("document.documentElement.scrollWidth") <= 1280


def test_an_uploaded_bank_statement_pays_an_order(ops: Page, address: str, desk: BankDesk, tmp_path: Path) -> None:
    payment = desk.asked()
    file = tmp_path / "november.xml"
    file.write_bytes(camt([Said("100.00", text=payment.gateway_reference)]))
    ops.goto(f"{address}/ops/reconciliation/bankstatement/")
    ops.get_by_role("link", name="Upload").first.click()
    ops.locator("input[type=file]").set_input_files(file)
    ops.get_by_role("button", name="Upload", exact=True).click()
    expect(ops.get_by_text("november.xml").first).to_be_visible()
    assert (read_bank_statements(), settle_bank_lines()) == (1, 1)

    ops.goto(f"{address}/ops/payments/payment/?q={payment.id}")
    expect(ops.get_by_text("Succeeded", exact=True).first).to_be_visible()
    assert Payment.objects.get().status == "succeeded"
    assert_books_are_whole()


def test_a_merchant_answers_a_dispute(
    page: Page,
    address: str,
    merchant: Merchant,
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    world: World,
    tmp_path: Path,
) -> None:
    cache.clear()
    order = merchant_server.create_order(amount_minor=5_000)
    quarrel = Quarrel(sandbox, merchant_server, merchant_server.pay(order["id"]).json()).open()
    proof = tmp_path / "proof.pdf"
    proof.write_bytes(PDF)
    open_as(page, address, site="merchant", user=make_member(merchant=merchant, role="finance").user)
    page.goto(f"{address}/merchant/payments/dispute/")
    page.get_by_role("link", name=quarrel.dispute.id).click()
    page.locator("[name=explanation]").fill("They used it for a month.")
    page.locator("[name=upload]").set_input_files(proof)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator("[name=explanation]")).to_have_value("They used it for a month.")
    press(page, "Send the answer", submit="Send")
    expect(page.get_by_text("The answer is being sent.")).to_be_visible()

    world.settle()
    dispute = Dispute.objects.get()
    assert (dispute.answer, dispute.texts) == ("submitted", {"explanation": "They used it for a month."})
    assert DisputeFile.objects.count() == 1
    page.reload()
    expect(page.locator("[name=explanation]")).to_have_count(0)
    assert_books_are_whole()
