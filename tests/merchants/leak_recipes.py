"""How to make one row of each model that the merchant console shows, for a given merchant.

Everything that another merchant owns carries :data:`MARK` wherever a person could read it.
"""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db.models import Model

from accounts.models import User
from merchants.members.services import invite_member
from merchants.models import Merchant, MerchantMember
from merchants.onboarding import documents
from merchants.onboarding.models import MerchantDocument
from merchants.services import add_member, create_api_key
from merchants.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from paycore.encryption import seal
from paycore.identifiers import new_id
from paycore.uploads import checked_file
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session
from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.orders.disputes.answering import add_file, write_texts
from payments.orders.disputes.models import DisputeFile
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Order, Payment, Refund
from payments.promotions.managing import MILL, BatchDraft, add_batch
from payments.promotions.models import PromotionCode
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer
from tests.merchants.factories import make_secret
from tests.merchants.hooks import happen, listen
from tests.payments.promotions.factories import make_promotion, purchase, take_once

MARK = "zyxwv"

_numbers = itertools.count(1)


def word(merchant: Merchant) -> str:
    """A text that tells whose it is, a new one each time."""
    return f"{MARK if MARK in merchant.name else 'own'}-{next(_numbers)}"


def _server(merchant: Merchant) -> MerchantServer:
    return MerchantServer(secret=make_secret(merchant=merchant), merchant=merchant)


def _member(merchant: Merchant) -> Model:
    user = User.objects.create_user(email=f"{word(merchant)}@example.com", password="correct horse")
    return add_member(merchant=merchant, user=user, role="viewer")


def _payment(merchant: Merchant) -> Payment:
    server, name = _server(merchant), word(merchant)
    order = server.create_order(merchant_order_number=name, description=f"Thing of {name}")
    return Payment.objects.get(id=server.pay(order["id"]).json()["id"])


def _order(merchant: Merchant) -> Model:
    """Open, with a page to pay on."""
    name = word(merchant)
    made = _server(merchant).create_order(merchant_order_number=name, description=f"Thing of {name}")
    order = Order.objects.get(id=made["id"])
    _checkout_session(order)
    return order


def _refund(merchant: Merchant) -> Model:
    payment = _payment(merchant)
    body = {"payment": payment.id, "reason": f"Reason of {word(merchant)}", "amount_minor": 5}
    return Refund.objects.get(id=_server(merchant).post("/refunds", body).json()["id"])


def _dispute(merchant: Merchant) -> Model:
    payment, name = _payment(merchant), word(merchant)
    account = GatewayAccount.objects.get(id=payment.gateway_account_id)
    due_at = datetime(2030, 1, 1, tzinfo=UTC)
    notice = DisputeNotice(
        f"sdp_{name}", payment.id, DisputeStatus.NEEDS_RESPONSE, 5, payment.currency, evidence_due_at=due_at
    )
    dispute = record_dispute_notice(account, notice, source=Evidence.Source.WEBHOOK)
    write_texts(dispute.id, {"explanation": f"Words of {name}"})
    _dispute_file(dispute)
    return dispute


def _dispute_file(dispute: Any) -> str:
    upload = checked_file(b"%PDF-1.4 " + dispute.id.encode())
    return add_file(dispute.id, kind=DisputeFile.Kind.RECEIPT, file=upload, uploaded_by="test").id


def _invitation(merchant: Merchant) -> Model:
    owner = MerchantMember.objects.filter(merchant=merchant, role="owner")[0].user
    return invite_member(
        merchant_id=merchant.id, email=f"{word(merchant)}@example.com", role="viewer", invited_by=owner
    )


def _document(merchant: Merchant) -> Model:
    content = b"%PDF-1.4 " + word(merchant).encode()
    document_id = new_id("mdoc")
    return MerchantDocument.objects.create(
        id=document_id,
        merchant=merchant,
        kind=MerchantDocument.Kind.values[0],
        file_name=f"{word(merchant)}.pdf",
        content_type="application/pdf",
        size_bytes=len(content),
        sha256=sha256(content).hexdigest(),
        sealed_content=seal(content, aad=documents._place(document_id)),
        uploaded_by=MerchantMember.objects.filter(merchant=merchant)[0].user,
    )


def _checkout_session(order: Any) -> str:
    home = "https://example.com/"
    known = CheckoutSession.objects.filter(order=order).first()
    return (known or create_session(order, SessionDraft(success_url=home, cancel_url=home, created_by="test"))).id


def _webhook_endpoint(merchant: Merchant) -> WebhookEndpoint:
    return listen(merchant, f"https://{word(merchant)}.example/hook")


def _webhook_event(merchant: Merchant) -> WebhookEvent:
    _webhook_endpoint(merchant)
    return happen(merchant, object_id=f"ord_{word(merchant)}")


def _webhook_delivery(merchant: Merchant) -> Model:
    return WebhookDelivery.objects.filter(event=_webhook_event(merchant))[0]


def _promotion(merchant: Merchant) -> Model:
    return make_promotion(merchant, word(merchant), title=f"Title of {word(merchant)}")


def _promotion_code(merchant: Merchant) -> Model:
    return PromotionCode.objects.get(promotion=_promotion(merchant))


def _code_batch(merchant: Merchant) -> Model:
    batch = add_batch(_promotion(merchant).pk, BatchDraft(1, requested_by="test", note=f"Note of {word(merchant)}"))
    return MILL.advance(batch.id)


def _redemption(merchant: Merchant) -> Model:
    code: Any = _promotion_code(merchant)
    return take_once(code.code, purchase(merchant, kind="order"), f"ord_{word(merchant)}")


RECIPES: dict[str, Callable[[Merchant], Any]] = {
    "merchants.merchant": lambda merchant: merchant,
    "merchants.merchantmember": _member,
    "merchants.apikey": lambda merchant: create_api_key(merchant=merchant, name=word(merchant), created_by=None)[0],
    "merchants.invitation": _invitation,
    "merchants.merchantdocument": _document,
    "merchants.webhookendpoint": _webhook_endpoint,
    "merchants.webhookdelivery": _webhook_delivery,
    "merchants.webhookevent": _webhook_event,
    "payments.order": _order,
    "payments.payment": _payment,
    "payments.refund": _refund,
    "payments.dispute": _dispute,
    "payments.promotion": _promotion,
    "payments.promotioncode": _promotion_code,
    "payments.codebatch": _code_batch,
    "payments.redemption": _redemption,
}

# The second id in an address such as ``<object_id>/link/<session_id>/``, of something that belongs to the row.
SECOND_IDS: dict[str, Callable[[Any], str]] = {"session_id": _checkout_session, "file_id": _dispute_file}

# What dialogs and forms of the console ask for: enough to be carried out if the row were the visitor's own.
EVERYTHING = {
    "name": "Taken over",
    "reason": "Taken over",
    "note": "Taken over",
    "description": "Taken over",
    "amount": "1.00",
    "left": "1999",
    "currency": "USD",
    "role": "owner",
    "email": "eve@example.com",
    "url": "https://eve.example/hook",
    "address": "https://eve.example/hook",
    "keep_hours": "1",
    "code": "TAKENOVER",
    "count": "1",
    "valid_hours": "1",
    "major": "1.00",
    "nonce": "leak",
    "kind": "registration",
    "_save": "1",
    "post": "yes",
}
