"""What staff and a merchant's people see of disputes, and how they answer them."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.disputes.models import Dispute, DisputeFile
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.payments.disputed import PDF, Quarrel, quarrel_about

pytestmark = pytest.mark.django_db

WORDS = {"explanation": "They used it for a month.", "customer_email": "ada@example.com"}


@pytest.fixture
def quarrel(merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider) -> Quarrel:
    _order, payment = merchant_server.paid_order(amount_minor=5_000, merchant_order_number="SHOP-77")
    return quarrel_about(payment, sandbox=sandbox, server=merchant_server).open()


def page(site: str, dispute: Dispute, action: str = "change", *more: str) -> str:
    return reverse(f"{site}:payments_dispute_{action}", args=[quote(dispute.pk), *more])


def enter(merchant: Merchant, *, role: str) -> Client:
    client, member = Client(), make_member(merchant=merchant, role=role)
    client.force_login(member.user)
    return client


def staff(*permissions: str) -> Client:
    client, user = Client(), make_user(is_staff=True, is_superuser=not permissions)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def act(client: Client, site: str, dispute: Dispute, action: str) -> Any:
    return client.post(page(site, dispute, action), {"_form_submitted": "on"}, follow=True)


def save(client: Client, dispute: Dispute, **fields: Any) -> Any:
    return client.post(page("merchant", dispute), {**WORDS, **fields}, follow=True)


def pdf(content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile("proof.pdf", content, content_type="text/html")


@pytest.mark.parametrize("role", ["owner", "finance"])
def test_finance_people_write_upload_and_send(quarrel: Quarrel, role: str) -> None:
    client = enter(quarrel.server.merchant, role=role)
    assert quarrel.dispute.id in client.get(reverse("merchant:payments_dispute_changelist")).content.decode()
    shown = client.get(page("merchant", quarrel.dispute)).content.decode()
    assert "multipart/form-data" in shown
    assert "6\u00a0days" in shown

    save(client, quarrel.dispute, kind="delivery", upload=pdf())
    assert quarrel.dispute.texts == WORDS
    assert DisputeFile.objects.get().kind == "delivery"
    assert bytes(DisputeFile.objects.get().content) == PDF
    assert WORDS["explanation"] in client.get(page("merchant", quarrel.dispute)).content.decode()

    assert client.get(page("merchant", quarrel.dispute, "send")).status_code == 200
    assert quarrel.dispute.answer == "open"  # the dialog alone does nothing
    assert "being sent" in act(client, "merchant", quarrel.dispute, "send").content.decode()
    run_background()
    assert quarrel.dispute.answer == "submitted"
    assert save(client, quarrel.dispute, explanation="More").status_code == 403
    assert quarrel.dispute.texts == WORDS


def test_finance_people_give_up(quarrel: Quarrel) -> None:
    client = enter(quarrel.server.merchant, role="finance")
    act(client, "merchant", quarrel.dispute, "give_up")
    run_background()
    assert (quarrel.dispute.answer, quarrel.dispute.status) == ("accepted", "lost")
    assert_books_are_whole()


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_others_of_the_merchant_look_and_read_nothing_private(quarrel: Quarrel, role: str) -> None:
    quarrel.write(**WORDS)
    quarrel.upload()
    client = enter(quarrel.server.merchant, role=role)
    shown = client.get(page("merchant", quarrel.dispute)).content.decode()
    assert "$50.00" in shown
    assert WORDS["explanation"] not in shown
    file = DisputeFile.objects.get()
    assert client.get(page("merchant", quarrel.dispute, "file", file.id)).status_code == 404
    assert save(client, quarrel.dispute, explanation="Mine").status_code == 403
    for action in ("send", "give_up"):
        assert act(client, "merchant", quarrel.dispute, action).status_code == 403
    assert (quarrel.dispute.answer, quarrel.dispute.texts) == ("open", WORDS)


def test_another_merchants_people_find_nothing(quarrel: Quarrel) -> None:
    quarrel.upload()
    client, file = enter(make_merchant(), role="owner"), DisputeFile.objects.get()
    for address in (
        page("merchant", quarrel.dispute),
        page("merchant", quarrel.dispute, "send"),
        page("merchant", quarrel.dispute, "file", file.id),
    ):
        answer = client.get(address)
        assert answer.status_code in (302, 404)
        assert "%PDF" not in answer.content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"content": b"MZ program"}, "JPEG, PNG or PDF file"),
        ({"explanation": "x" * 5_001}, "5000"),
        ({"customer_email": "nobody"}, "valid email"),
        ({"delivery_date": "soon"}, "valid date"),
    ],
)
def test_what_cannot_be_kept_is_said_and_nothing_is_kept(quarrel: Quarrel, fields: dict[str, Any], said: str) -> None:
    client, content = enter(quarrel.server.merchant, role="finance"), fields.pop("content", PDF)
    shown = save(client, quarrel.dispute, upload=pdf(content), **fields).content.decode()
    assert said in shown
    assert "Kept." not in shown
    assert not quarrel.dispute.texts
    assert not DisputeFile.objects.exists()


def test_card_number_in_the_words_is_refused(quarrel: Quarrel) -> None:
    client = enter(quarrel.server.merchant, role="finance")
    assert save(client, quarrel.dispute, explanation="It was 4111 1111 1111 1111").status_code == 400
    assert not quarrel.dispute.texts


def test_card_number_beside_a_large_file_is_refused(quarrel: Quarrel) -> None:
    """The gate does not read large uploads; what writes the words down does."""
    client = enter(quarrel.server.merchant, role="finance")
    large = pdf(PDF + b"x" * (2 * 1024 * 1024))
    shown = save(client, quarrel.dispute, explanation="It was 4111 1111 1111 1111", upload=large)
    assert "Kept." not in shown.content.decode()
    assert not quarrel.dispute.texts
    assert not DisputeFile.objects.exists()


def test_refused_answer_is_shown_with_its_reason(quarrel: Quarrel) -> None:
    quarrel.sandbox.script(quarrel.theirs, "answer_reject")
    quarrel.write()
    quarrel.submit()
    run_background()
    client = enter(quarrel.server.merchant, role="owner")
    assert "rejected_by_script" in client.get(page("merchant", quarrel.dispute)).content.decode()
    act(client, "merchant", quarrel.dispute, "send")
    assert quarrel.dispute.answer == "submitting"


def test_file_is_saved_not_shown_and_its_opening_is_written_down(quarrel: Quarrel) -> None:
    quarrel.upload()
    file, ops = DisputeFile.objects.get(), staff()
    opened = ops.get(page("ops", quarrel.dispute, "file", file.id))
    assert opened.content == PDF
    assert opened["Content-Disposition"] == f'attachment; filename="{file.id}.pdf"'
    assert opened["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert opened["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in opened["Cache-Control"]
    assert LogEntry.objects.filter(change_message__contains=file.id).count() == 1


def test_staff_see_everything_about_it_and_the_payment_shows_it(quarrel: Quarrel) -> None:
    quarrel.write(**WORDS)
    quarrel.upload()
    ops = staff()
    shown = ops.get(page("ops", quarrel.dispute)).content.decode()
    for expected in (WORDS["explanation"], "Taken back for a dispute", "dispute.opened", "$15.00", "Corner Shop"):
        assert expected in shown
    for term in (quarrel.dispute.id, quarrel.payment["id"], quarrel.theirs, "SHOP-77"):
        found = ops.get(reverse("ops:payments_dispute_changelist"), {"q": term}).content.decode()
        assert quarrel.dispute.id in found
    hidden = ops.get(reverse("ops:payments_dispute_changelist"), {"status__exact": "won"}).content.decode()
    assert quarrel.dispute.id not in hidden
    payment = ops.get(reverse("ops:payments_payment_change", args=[quote(quarrel.payment["id"])])).content.decode()
    assert quarrel.dispute.id in payment
    order = ops.get(reverse("ops:payments_order_change", args=[quote(quarrel.payment["order"])])).content.decode()
    assert "Taken back by disputes" in order
    assert "Disputes to answer" in ops.get(reverse("ops:index")).content.decode()


def test_staff_answer_on_behalf_only_with_the_right_to(quarrel: Quarrel) -> None:
    quarrel.write()
    looker = staff("view_dispute")
    assert WORDS["explanation"] not in looker.get(page("ops", quarrel.dispute)).content.decode()
    assert act(looker, "ops", quarrel.dispute, "send").status_code == 403
    assert quarrel.dispute.answer == "open"
    clerk = staff("view_dispute", "change_dispute")
    act(clerk, "ops", quarrel.dispute, "send")
    assert quarrel.dispute.answer == "submitting"
    assert quarrel.dispute.answered_by.startswith("usr_")


def test_dispute_can_be_neither_edited_nor_deleted(quarrel: Quarrel) -> None:
    ops = staff()
    assert ops.post(page("ops", quarrel.dispute), {"status": "won"}).status_code == 403
    assert ops.post(page("ops", quarrel.dispute, "delete"), {"post": "yes"}).status_code == 403
    assert quarrel.dispute.status == "needs_response"
