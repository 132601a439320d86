"""Cleo's bookshop: from an application to a key for its server."""

import uuid
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from merchants.models import Merchant
from merchants.onboarding.documents import documents_of, open_document
from merchants.onboarding.services import FeeTerms, approve_application
from merchants.services import create_api_key
from paycore.demo.acts import act
from paycore.demo.paper import one_page
from paycore.demo.stage import Caller, Stage

FEES = FeeTerms(basis_points=150, fixed_minor=10, refund_review_above_minor=1_000)
BUSINESS = {
    "name": "Cleo's Books",
    "legal_name": "Cleo Books GmbH",
    "business_kind": "company",
    "registration_number": "HRB 20260815",
    "country": "DE",
    "home_currency": "USD",
    "website": "https://books.example",
    "support_email": "help@books.example",
}
PAPERS = {
    "registration": "Extract of the commercial register",
    "identity": "Identity card of Cleo",
    "bank_proof": "Letter of the bank",
}


@dataclass(frozen=True)
class Shop:
    """``server`` holds the new key."""

    merchant_id: str
    owner_id: str
    server: Caller


@act(order=30, name="merchant", title="Cleo's bookshop applies and is approved")
def come_to_market(stage: Stage) -> None:
    stage.told["shop"] = open_a_shop(stage)


def open_a_shop(stage: Stage) -> Shop:
    cleo = stage.sign_up("Cleo")
    application = _apply(stage, cleo)
    _be_reviewed(stage, application["id"])
    shown = cleo.get(f"/merchant-applications/{application['id']}")
    stage.require(shown["status"] == "approved", "the shop is approved", shown)
    return _take_key(stage, cleo, merchant_id=application["id"])


def _apply(stage: Stage, cleo: Caller) -> dict[str, Any]:
    draft = cleo.post("/merchant-applications", BUSINESS)
    stage.tell(f"She applies for {draft['name']}: {draft['id']} is a {draft['status']}; missing: {_words(draft)}")
    cleo.post(f"/merchant-applications/{draft['id']}/submit", expected=422)
    stage.tell("Submitting it so is refused")
    for kind, text in PAPERS.items():
        cleo.upload(f"/merchant-applications/{draft['id']}/documents", {"kind": kind}, {"file": one_page(text)})
    submitted = cleo.post(f"/merchant-applications/{draft['id']}/submit", expected=200)
    stage.require(submitted["status"] == "submitted" and not submitted["missing"], "it is complete", submitted)
    stage.tell(f"With {len(submitted['documents'])} documents it is {submitted['status']}")
    return submitted


def _be_reviewed(stage: Stage, merchant_id: str) -> None:
    olivia = User.objects.get(email="ops@demo.example")
    for document in documents_of(Merchant.objects.get(id=merchant_id)):
        open_document(document_id=document.id, viewed_by_id=olivia.id)
    approve_application(merchant_id=merchant_id, by=olivia, fees=FEES)
    stage.tell("Olivia opens each document (the journal knows) and approves: 1.5 % + $0.10, refunds above $10 reviewed")


def _take_key(stage: Stage, cleo: Caller, *, merchant_id: str) -> Shop:
    owner = User.objects.get(id=cleo.get("/me")["id"])
    key, secret = create_api_key(merchant=Merchant.objects.get(id=merchant_id), name="server", created_by=owner)
    server = Caller(stage.base_url, token=secret)
    me = server.get("/merchant/me")
    stage.tell(f"She makes a key in the console, {key.prefix}…; it speaks for {me['name']} ({merchant_id})")
    Caller(stage.base_url, token=f"sk_{uuid.uuid4().hex}").ask("GET", "/merchant/me", expected=401)
    return Shop(merchant_id=merchant_id, owner_id=owner.id, server=server)


def _words(application: dict[str, Any]) -> str:
    return ", ".join(application["missing"])
