"""`/api/v1/stores/…`: what apps hand in for the signed-in user, and handing a purchase over."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import UserAuthentication, signed_in_user
from accounts.stepup import require_recent_sign_in
from memberships.models import Store, StoreAccount, StorePurchase
from memberships.stores.accounts import account_token_of, believed_accounts
from memberships.stores.apple.receiving import accept_apple_transaction
from memberships.stores.errors import PurchaseNotGenuine
from memberships.stores.google.asking import accept_play_purchase, ask_about
from memberships.stores.owners import offer_transfer, take_transfer
from memberships.stores.presentation import StorePurchaseSerializer, present_purchase
from merchants.permissions import IsAppUser
from paycore.api import IdempotentView, stored
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.fields import StrictCharField, StrictSerializer
from paycore.idempotency import StoredResponse
from paycore.pagination import page_of, page_response

_TAGS = ["Stores"]
_PURCHASE = {
    "id": "spu_01kaf5m7z8x9c0v1b2n3m4a5s6",
    "object": "store_purchase",
    "sold_by": "app_store",
    "status": "linked",
    "standing": "active",
    "product": "premium_monthly",
    "subscription": "sub_01kaf5m7z8x9c0v1b2n3m4a5s7",
    "auto_renews": True,
    "grace_until": None,
    "manage_url": "https://apps.apple.com/account/subscriptions",
    "last_told_at": "2026-11-22T09:30:00Z",
    "created_at": "2026-11-22T09:30:01Z",
}
_SHOWN = OpenApiExample("A purchase", value=_PURCHASE, response_only=True)
_GIVEN = OpenApiExample("A purchase", value=_PURCHASE, response_only=True, status_codes=["201"])
_TAKEN = OpenApiExample("Taken over", value=_PURCHASE, response_only=True, status_codes=["201"])


class AccountTokenSerializer(serializers.Serializer[dict[str, Any]]):
    """Shape of the account token in answers."""

    object = serializers.ChoiceField(choices=["store_account_token"])
    token = serializers.UUIDField()


class SignedTransactionSerializer(StrictSerializer):
    signed_transaction = StrictCharField(
        max_length=32_000, help_text=_("StoreKit's jwsRepresentation of the transaction.")
    )


class PlayPurchaseSerializer(StrictSerializer):
    package = StrictCharField(max_length=155, help_text=_("The app's package name."))
    purchase_token = StrictCharField(max_length=1024, help_text=_("Play Billing's purchaseToken."))


class TransferOfferSerializer(StrictSerializer):
    purchase = StrictCharField(max_length=40, help_text=_("The store purchase to hand over."))


class TransferTakeSerializer(StrictSerializer):
    code = StrictCharField(max_length=40, help_text=_("As the present owner was shown it."))


class TransferSerializer(serializers.Serializer[dict[str, Any]]):
    """Shape of a transfer in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["store_transfer"])
    purchase = serializers.CharField()
    code = serializers.CharField()
    expires_at = serializers.DateTimeField()


class _StoreView(IdempotentView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]


class AccountTokenView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="stores_account_token",
        tags=_TAGS,
        summary="Show my name at the stores",
        description=(
            "Give it to StoreKit as `appAccountToken` and to Play Billing as `obfuscatedAccountId` with every "
            "purchase: then what is bought is mine, even when the app never hands it in. It never changes."
        ),
        responses=AccountTokenSerializer,
        examples=[
            OpenApiExample(
                "A token",
                response_only=True,
                value={"object": "store_account_token", "token": "0b8f4c1e-6f57-4b53-9f61-2a3f8f3c6a11"},
            )
        ],
    )
    def get(self, request: Request) -> Response:
        token = account_token_of(str(signed_in_user(request).pk))
        return Response({"object": "store_account_token", "token": str(token)})


class AppStoreTransactionView(_StoreView):
    route = "POST /stores/app-store/transactions"

    @extend_schema(
        operation_id="stores_app_store_transactions_create",
        tags=_TAGS,
        summary="Hand in a transaction of the App Store",
        description=(
            "Verified offline. `status` says what it gives: `linked` a membership; `conflict` when there is another "
            "one already (what was paid for is given beside it, and people look at it)."
        ),
        request=SignedTransactionSerializer,
        responses={201: StorePurchaseSerializer},
        examples=[
            OpenApiExample("Signed", request_only=True, value={"signed_transaction": "eyJhbGciOiJFUzI1NiIsIng1YyI6…"}),
            _GIVEN,
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        data = SignedTransactionSerializer.check(request.data)
        user_id = str(signed_in_user(request).pk)

        def work() -> StoredResponse:
            purchase = accept_apple_transaction(data["signed_transaction"], user_id=user_id, now=database_now())
            return stored(201, present_purchase(purchase))

        return self.run(request, caller=user_id, work=work)


class PlayPurchaseView(_StoreView):
    route = "POST /stores/google-play/purchases"

    @extend_schema(
        operation_id="stores_google_play_purchases_create",
        tags=_TAGS,
        summary="Hand in a purchase of Google Play",
        description="Google is asked about it at once; the purchase is acknowledged for you.",
        request=PlayPurchaseSerializer,
        responses={201: StorePurchaseSerializer},
        examples=[
            OpenApiExample(
                "A token",
                request_only=True,
                value={"package": "com.example.app", "purchase_token": "opaque-token-from-play-billing"},
            ),
            OpenApiExample(
                "A purchase",
                value={**_PURCHASE, "sold_by": "google_play"},
                response_only=True,
                status_codes=["201"],
            ),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        data = PlayPurchaseSerializer.check(request.data)
        user_id = str(signed_in_user(request).pk)
        self.key(request, caller=user_id)  # a missing key is refused before anybody is asked
        account = _play_account(data["package"])
        asked_at = database_now()
        answer = ask_about(account, data["purchase_token"])  # changes nothing there, so a repeat may ask again

        def work() -> StoredResponse:
            purchase = accept_play_purchase(account, data["purchase_token"], answer, user_id=user_id, asked_at=asked_at)
            return stored(201, present_purchase(purchase))

        return self.run(request, caller=user_id, work=work)


def _play_account(package: str) -> StoreAccount:
    accounts = believed_accounts(Store.GOOGLE_PLAY, package)
    if not accounts:
        raise PurchaseNotGenuine
    return accounts[0]


class StorePurchaseListView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="stores_purchases_list",
        tags=_TAGS,
        summary="List what I bought in stores, newest first",
        parameters=[
            OpenApiParameter("status", str, description="Only these.", enum=[*StorePurchase.State.values]),
            OpenApiParameter("sold_by", str, description="Only of this store.", enum=[*Store.values]),
        ],
        responses=page_of(StorePurchaseSerializer),
        examples=[_SHOWN],
    )
    def get(self, request: Request) -> Response:
        rows = StorePurchase.objects.filter(user_id=str(signed_in_user(request).pk)).select_related("account")
        if status := request.query_params.get("status"):
            rows = rows.filter(state=status)
        if sold_by := request.query_params.get("sold_by"):
            rows = rows.filter(account__store=sold_by)
        return page_response(request, rows, view=self, present=present_purchase)


class StorePurchaseView(APIView):
    authentication_classes = [UserAuthentication]
    permission_classes = [IsAppUser]

    @extend_schema(
        operation_id="stores_purchases_show",
        tags=_TAGS,
        summary="Show what I bought in a store",
        responses=StorePurchaseSerializer,
        examples=[_SHOWN],
    )
    def get(self, request: Request, store_purchase_id: str) -> Response:
        rows = StorePurchase.objects.select_related("account")
        purchase = rows.filter(id=store_purchase_id, user_id=str(signed_in_user(request).pk)).first()
        if purchase is None:
            raise NotFound
        return Response(present_purchase(purchase))


class TransferOfferView(_StoreView):
    route = "POST /stores/transfers"

    @extend_schema(
        operation_id="stores_transfers_create",
        tags=_TAGS,
        summary="Agree to hand a store purchase over",
        description=(
            "Wants a recent sign-in. Whoever is shown the code may take the purchase over with it, once, within some "
            "minutes. An earlier code is good no more."
        ),
        request=TransferOfferSerializer,
        responses={201: TransferSerializer},
        examples=[
            OpenApiExample("Hand over", request_only=True, value={"purchase": _PURCHASE["id"]}),
            OpenApiExample(
                "A code",
                response_only=True,
                status_codes=["201"],
                value={
                    "id": "stt_01kaf5m7z8x9c0v1b2n3m4a5s8",
                    "object": "store_transfer",
                    "purchase": _PURCHASE["id"],
                    "code": "K7QM2XWD9RTA4HEP",
                    "expires_at": "2026-11-22T09:45:00Z",
                },
            ),
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        require_recent_sign_in(request)
        data = TransferOfferSerializer.check(request.data)
        user_id = str(signed_in_user(request).pk)

        def work() -> StoredResponse:
            offer, code = offer_transfer(purchase_id=data["purchase"], user_id=user_id, now=database_now())
            shown = {"id": offer.id, "object": "store_transfer", "purchase": offer.purchase_id}
            return stored(201, {**shown, "code": code, "expires_at": offer.expires_at})

        return self.run(request, caller=user_id, work=work)


class TransferTakeView(_StoreView):
    route = "POST /stores/transfers/take"

    @extend_schema(
        operation_id="stores_transfers_take",
        tags=_TAGS,
        summary="Take a store purchase over",
        description="What is left of its period, and every renewal, is mine from now on.",
        request=TransferTakeSerializer,
        responses={201: StorePurchaseSerializer},
        examples=[OpenApiExample("With the code", request_only=True, value={"code": "K7QM2XWD9RTA4HEP"}), _TAKEN],
    )
    def post(self, request: Request) -> HttpResponse:
        data = TransferTakeSerializer.check(request.data)
        user_id = str(signed_in_user(request).pk)

        def work() -> StoredResponse:
            purchase = take_transfer(code=data["code"], user_id=user_id, now=database_now())
            return stored(201, present_purchase(purchase))

        return self.run(request, caller=user_id, work=work)
