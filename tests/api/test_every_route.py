"""Every address of our API, called with ids of another merchant and another user: not there, and not one row changes.

The walk reads the URLconf. An address or method without a recipe here fails. (allauth's sign-in addresses take no
object's id but those of one's own sessions and authenticators: the last test.)
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from accounts.personal_data.models import DataExport
from merchants.models import Merchant, MerchantMember
from merchants.services import add_member
from merchants.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from paycore.clock import database_now
from paycore.money import Money
from payments.gateways.contract import DisputeNotice, DisputeStatus, SavedMethod
from payments.methods.mandates import Device, consent_as_row
from payments.methods.services import remember_method
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Order, Payment
from payments.orders.services import OrderDraft, create_order
from payments.promotions.managing import BatchDraft, add_batch
from payments.routing.models import GatewayAccount
from payments.wallet.services import WithdrawalDraft, note_top_up, request_withdrawal
from tests.actors import AppUser, MerchantServer, run_background
from tests.api.conftest import Possessions
from tests.api.row_counts import no_row_changes
from tests.memberships.billing import bill_and_credit
from tests.memberships.members import make_family
from tests.memberships.stores.factories import make_store_purchase
from tests.merchants.factories import make_merchant
from tests.merchants.hooks import happen, listen
from tests.merchants.leak_recipes import _document
from tests.payments.promotions.factories import make_promotion
from tests.payments.wallets import fill
from tests.phone import Phone

pytestmark = pytest.mark.django_db

# What a body names somebody else's object by: route, method → bodies. Each must end in "not there".
BODIES: dict[tuple[str, str], list[str]] = {
    ("payments", "post"): ['{"order": "ORDER", "method": "card"}'],
    ("store-transfers", "post"): ['{"purchase": "STOREPURCHASE"}'],
    ("refunds", "post"): ['{"payment": "PAYMENT", "reason": "x", "amount_minor": 1}'],
    ("checkout-sessions", "post"): ['{"order": "ORDER"}'],
    ("usage", "post"): ['{"feature": "exports", "amount": 1, "user": "USER"}'],
    ("usage-returns", "post"): ['{"feature": "exports", "amount": 1, "user": "USER"}'],
    ("sandbox-clock-advance", "post"): ['{"by": {"days": 1}, "user": "USER"}'],
}
# What is sent to an address that names the object itself, where "{}" would be refused before the object is sought.
PLAUSIBLE: dict[tuple[str, str], dict[str, Any]] = {
    ("webhook-endpoint", "patch"): {"description": "Taken over"},
    ("webhook-endpoint-replay", "post"): {"after": 0},
    ("merchant-application", "patch"): {"name": "Taken over"},
    ("seats", "post"): {"email": "taken.over@example.com"},
    ("promotion-codes", "post"): {"code": "TAKENOVER"},
    ("order-promotion-code", "post"): {"code": "WELCOME20"},
    ("merchant-order-promotion-code", "post"): {"code": "WELCOME20"},
    ("promotion-batches", "post"): {"count": 1},
    ("subscription-change", "post"): {"quantity": 1},
    ("subscription-preview", "post"): {"quantity": 1},
    ("subscription-collection", "post"): {"collected_by": "link"},
}
# Creates or changes what is the caller's own and takes no id of anybody's object.
TAKES_NO_ID = {
    ("orders", "post"), ("webhook-endpoints", "post"), ("event-feed", "put"), ("me", "patch"), ("me_identity", "post"),
    ("me_consents", "post"), ("me_consents_withdraw", "post"), ("me_exports", "post"), ("me_close", "post"),
    ("me_erasure", "post"), ("me_erasure", "delete"), ("me_password", "put"), ("subscriptions", "post"),
    ("merchant-applications", "post"), ("merchant-invitation-accept", "post"), ("payment-methods", "post"),
    ("wallet-top-ups", "post"), ("wallet-withdrawals", "post"), ("gifts", "post"),
    ("app-store-transactions", "post"), ("google-play-purchases", "post"), ("store-transfer-take", "post"),
    ("redeem", "post"),
    ("seat-accept", "post"), ("seat-leave", "post"), ("promotions", "post"), ("promotions-check", "post"),
    ("subscriptions-preview", "post"),
}  # fmt: skip
# For everybody, or for a developer on one machine.
PUBLIC = {"openapi", "swagger", "redoc", "plans", "consent_documents", "sandbox_messages", None}
FILTERS = ("order", "payment", "refund", "merchant", "user", "status", "endpoint", "event", "object", "after", "cursor")
FILTERS += ("subscription", "invoice", "batch", "code", "sold_by", "feature")


@dataclass
class Foreign:
    """Ids of another merchant's and another user's objects, by the name that an address has for them."""

    ids: dict[str, list[str]]

    def all(self) -> set[str]:
        return {one for ids in self.ids.values() for one in ids}

    def filled(self, text: str) -> str:
        named = {"STOREPURCHASE": "store_purchase_id", "USER": "user_id"}
        named |= {"ORDER": "order_id", "PAYMENT": "payment_id", "REFUND": "refund_id", "MERCHANT": "merchant_id"}
        for word, name in named.items():
            text = text.replace(word, self.ids[name][0])
        return text


@pytest.fixture
def foreign(account: GatewayAccount, others: Possessions, other_server: MerchantServer) -> Foreign:
    eve = AppUser.signed_in("eve@example.com")
    theirs = other_server.merchant
    listen(theirs)
    happen(theirs)
    own_order = create_order(
        OrderDraft(merchant_id=theirs.id, amount=Money(500, "USD"), description="x", user_id=eve.user.id)
    )
    other_server.paid_order()
    run_background()
    card = remember_method(
        user_id=eve.user.id,
        gateway_account_id=account.id,
        method="card",
        saved=SavedMethod(token="kept_eve"),
        merchant_id=theirs.id,
        consent=consent_as_row({"text_version": "1", "language": "en"}, device=Device(), now=database_now()),
    )
    wallet = fill(eve.user.pk, Money(5_000, "EUR"))
    User.objects.filter(pk=eve.user.pk).update(kyc_level=1)
    withdrawal = request_withdrawal(
        WithdrawalDraft(wallet.user_id, Money(1_000, "EUR"), iban="DE89370400440532013000", holder="Eve")
    )
    top_up = note_top_up(wallet, order_id=own_order.id, amount=Money(500, "EUR"))
    draft = make_merchant(status="draft")
    add_member(merchant=draft, user=eve.user, role="owner")
    exported = DataExport.objects.create(user=eve.user)
    promotion = make_promotion(theirs)
    invoice, note = bill_and_credit(eve.user)
    family = make_family(eve.user)
    return Foreign(
        {
            "order_id": [others.order, own_order.id],
            "user_id": [eve.user.id],
            "payment_id": [others.payment, others.held_payment, others.paid_payment],
            "refund_id": [others.refund],
            "dispute_id": [_dispute(account, others.paid_payment)],
            "session_id": [others.session],
            "export_id": [str(exported.pk)],
            "method_id": [card.id],
            "withdrawal_id": [withdrawal.id],
            "top_up_id": [top_up.id],
            "mandate_id": [card.mandates.get().id],
            "plan": ["pln_of_nobody"],  # plans are everybody's
            "merchant_id": [draft.id, theirs.id],
            "document_id": [_document(draft).pk],
            "endpoint_id": [WebhookEndpoint.objects.get(merchant=theirs).pk],
            "event_id": [WebhookEvent.objects.filter(merchant=theirs)[0].pk],
            "delivery_id": [WebhookDelivery.objects.filter(merchant=theirs)[0].pk],
            "promotion_id": [promotion.id],
            "subscription_id": [family.subscription.id],
            "seat_id": [family.seat.id],
            "gift_id": [family.gift.id],
            "promotion_code_id": [promotion.codes.get().id],
            "invoice_id": [invoice.id],
            "store_purchase_id": [make_store_purchase(eve.user).id],
            "note_id": [note.id],
            "code_batch_id": [add_batch(promotion.id, BatchDraft(1, requested_by="test")).id],
        }
    )


def _dispute(account: GatewayAccount, payment_id: str) -> str:
    payment = Payment.objects.get(id=payment_id)
    said = DisputeNotice("dp_1", payment.id, DisputeStatus.NEEDS_RESPONSE, payment.captured_minor, payment.currency)
    return record_dispute_notice(account, said, source=Evidence.Source.WEBHOOK).id


@pytest.fixture
def callers(merchant_server: MerchantServer, app_user: AppUser) -> dict[str, Any]:
    return {"server": merchant_server, "user": app_user}


def routes() -> Iterator[tuple[str, str | None, list[str], list[str]]]:
    """(path, name, ids, methods) of every address under /api/v1/ that is ours."""

    def walk(patterns: Any, path: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in patterns:
            if isinstance(entry, URLResolver):
                if entry.namespace != "headless" and entry.app_name != "headless":
                    yield from walk(entry.url_patterns, path + str(entry.pattern))
            else:
                yield path + str(entry.pattern), entry

    for path, entry in walk(get_resolver().url_patterns, "/"):
        view = getattr(entry.callback, "cls", None) or getattr(entry.callback, "view_class", None)
        if path.startswith("/api/v1/") and view is not None:
            methods = [
                name for name in view.http_method_names if name not in {"options", "head"} and hasattr(view, name)
            ]
            yield path, entry.name, list(entry.pattern.converters), methods


def plain(name: str | None) -> str | None:
    """A merchant's server has the same addresses once more under /merchant/."""
    twin = (name or "").removeprefix("merchant-")
    return twin if twin in {"orders", "order", "payments", "refunds", "checkout-sessions", "order-cancel"} else name


WITH_IDS = [(path, name, ids, method) for path, name, ids, methods in routes() if ids for method in methods]
WITHOUT_IDS = [
    (path, name, method)
    for path, name, ids, methods in routes()
    if not ids and name not in PUBLIC
    for method in methods
]


PARTS = 4
"""To set the scene takes longer than a request, and a request changes nothing: many share one scene."""


def send(caller: Any, method: str, path: str, body: str = "{}") -> Any:
    headers = {"Authorization": f"Bearer {caller.secret}", "Idempotency-Key": str(uuid4())}
    data = b"" if method == "get" else body.encode()
    return Client().generic(method.upper(), path, data, content_type="application/json", headers=headers)


def addresses(path: str, ids: list[str], foreign: Foreign) -> Iterator[str]:
    """``path`` with each foreign id in its place."""
    for name in ids:
        assert name in foreign.ids, f"no recipe for <{name}> in {path}"
    for one in foreign.ids[ids[0]]:
        filled = path.replace(f"<str:{ids[0]}>", one)
        for name in ids[1:]:
            filled = filled.replace(f"<str:{name}>", foreign.ids[name][0])
        assert "<" not in filled
        yield filled


def test_the_walk_finds_the_routes() -> None:
    assert len(WITH_IDS) > 15
    assert len(WITHOUT_IDS) > 15


@pytest.mark.parametrize("part", range(PARTS))
def test_anothers_object_is_not_there(
    callers: dict[str, Any], foreign: Foreign, subtests: pytest.Subtests, part: int
) -> None:
    for path, name, ids, method in WITH_IDS[part::PARTS]:
        with subtests.test(f"{method} {path}"):
            assert_not_there(callers, foreign, path=path, name=name, ids=ids, method=method)


def assert_not_there(
    callers: dict[str, Any], foreign: Foreign, *, path: str, name: str | None, ids: list[str], method: str
) -> None:
    body = json.dumps(PLAUSIBLE.get((name or "", method), {}))
    for address in addresses(path, ids, foreign):
        with no_row_changes():
            answers = {who: send(caller, method, address, body) for who, caller in callers.items()}
        statuses = {who: answer.status_code for who, answer in answers.items()}
        assert set(statuses.values()) <= {401, 403, 404}, (address, statuses)
        assert 404 in statuses.values(), (address, statuses)


@pytest.mark.parametrize("part", range(PARTS))
def test_what_names_no_object_shows_and_takes_nothing_of_others(
    callers: dict[str, Any], foreign: Foreign, subtests: pytest.Subtests, part: int
) -> None:
    for path, name, method in WITHOUT_IDS[part::PARTS]:
        with subtests.test(f"{method} {path}"):
            assert_nothing_of_others(callers, foreign, path=path, name=name, method=method)


def assert_nothing_of_others(
    callers: dict[str, Any], foreign: Foreign, *, path: str, name: str | None, method: str
) -> None:
    if method == "get":
        for caller in callers.values():
            asked = [f"{path}?{key}={one}" for key in FILTERS for one in sorted(foreign.all())]
            for address in [path, *asked[::23]]:
                shown = send(caller, "get", address).content.decode()
                assert not any(one in shown for one in foreign.all()), address
    elif (plain(name), method) in BODIES:
        for body in BODIES[plain(name) or "", method]:
            with no_row_changes():
                answers = [send(caller, method, path, foreign.filled(body)).status_code for caller in callers.values()]
            assert set(answers) <= {401, 403, 404}
            assert 404 in answers
    else:
        assert (plain(name), method) in TAKES_NO_ID, f"no recipe for {method} {path} ({name})"


def test_the_walk_would_see_what_is_ones_own(callers: dict[str, Any], account: GatewayAccount) -> None:
    """The detector's power: the same call finds an object whose owner calls."""
    order = callers["server"].create_order()
    assert send(callers["server"], "get", f"/api/v1/orders/{order['id']}").status_code == 200
    assert order["id"] in send(callers["server"], "get", "/api/v1/orders").content.decode()
    assert Order.objects.count() == 1


def test_a_merchants_member_reaches_no_other_merchants_application(foreign: Foreign, app_user: AppUser) -> None:
    own: Merchant = make_merchant(status="draft")
    MerchantMember.objects.create(merchant=own, user=app_user.user, role="owner")
    assert send(app_user, "get", f"/api/v1/merchant-applications/{own.id}").status_code == 200
    assert send(app_user, "get", f"/api/v1/merchant-applications/{foreign.ids['merchant_id'][0]}").status_code == 404
    stray = f"/api/v1/merchant-applications/{own.id}/documents/{foreign.ids['document_id'][0]}"
    with no_row_changes():
        assert send(app_user, "delete", stray).status_code == 404


def test_one_ends_own_sessions_and_authenticators_only(app_user: AppUser) -> None:
    eve = AppUser.signed_in("eve@example.com")
    Phone.of(eve.user)
    theirs = list(UserSession.objects.filter(user=eve.user).values_list("pk", flat=True))
    assert theirs
    for path, body in (
        ("auth/sessions", {"sessions": theirs}),
        ("account/authenticators/webauthn", {"authenticators": [1, 2, 3]}),
    ):
        send(app_user, "delete", f"/api/v1/auth/app/v1/{path}", json.dumps(body))

    assert UserSession.objects.filter(pk__in=theirs).count() == len(theirs)
    assert eve.get("/me").status_code == 200
    assert eve.user.authenticator_set.count() == 1  # type: ignore[attr-defined]  # allauth's reverse relation
