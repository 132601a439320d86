"""The REST API: strict in, problem documents out, described by OpenAPI 3.1."""

from typing import Any

from paycore.settings import env

PAYCORE_THROTTLE_RATES = {
    "caller": env.text("PAYCORE_CALLER_RATE", "3000/minute"),
    "pay_page": "20/minute",  # attempts of one checkout session: who tries cards tries many
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "merchants.authentication.ApiKeyAuthentication",
        "accounts.authentication.UserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "paycore.negotiation.QuickNegotiation",
    "DEFAULT_PARSER_CLASSES": ["paycore.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "paycore.openapi.schema.ProblemAutoSchema",
    "DEFAULT_PAGINATION_CLASS": "paycore.pagination.KeysetPagination",
    "DEFAULT_THROTTLE_CLASSES": ["paycore.throttling.CallerThrottle"],
    "EXCEPTION_HANDLER": "paycore.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNICODE_JSON": True,
    "URL_FORMAT_OVERRIDE": None,
}

_DESCRIPTION = """\
Take payments and sell memberships.

## Getting started

1. **Sign up** an app user: `POST /api/v1/auth/app/v1/auth/signup` with `{"email": …, "password": …}`.
   (or `{"phone": …}`). A code arrives; send it with the answer's `meta.session_token` as `X-Session-Token` to
   `POST /api/v1/auth/app/v1/auth/email/verify` as `{"key": …}` (`…/phone/verify` as `{"code": …}`). On a sandbox
   the code is at `GET /api/v1/sandbox/messages?to=…`. The answer has `meta.access_token`.
2. Send it with every call: `Authorization: Bearer <access_token>`. When it expires (15 minutes), exchange
   `meta.refresh_token` at `POST /api/v1/auth/app/v1/tokens/refresh`; each refresh token works once.
3. **Choose a plan** and create an order, open a **checkout session**, and send the payer to its page,
   or pay through the API and wait for the payment to change.
4. A **merchant's server** makes the same calls for its own orders with an API key: `Authorization: Bearer sk_…`.

## Rules that hold everywhere

- **Money** is an integer in the currency's smallest unit: `1234` with `USD` is 12.34, with `JPY` 1234.
- **Idempotency-Key** on every POST that creates: same key and body, same answer, one effect, also after a crash.
- **Errors** are RFC 9457 problem documents (`application/problem+json`); decide by `code`. 4xx had no effect; 5xx and
  timeouts are safe to repeat with the same key. The authentication endpoints keep allauth's own shape.
- **Lists** are pages: follow `next_cursor` until it is null.
- **Unknown fields, duplicate keys, card numbers** are refused and leave no trace
  (the last with `card_data_not_allowed`).
- **Languages**: `Accept-Language: en` or `zh-Hans`.
"""

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "paycore API",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVERS": [{"url": "/", "description": "This installation"}],
    "TAGS": [
        {
            "name": "Authentication",
            "description": "Sign up, sign in, refresh, sign out; sessions, e-mail, second factor.",
        },
        {"name": "Sandbox", "description": "Helpers for developers; not there in production."},
        {"name": "Me", "description": "The signed-in user's profile."},
        {"name": "Stores", "description": "What the App Store and Google Play sell for us."},
        {"name": "Memberships", "description": "What is on sale; what the signed-in user has, and may use."},
        {"name": "Seats", "description": "Places in one membership for a family or a team."},
        {"name": "Gifts", "description": "Memberships for somebody else, and codes to redeem."},
        {"name": "Invoices", "description": "What memberships cost: invoices, credit notes, and both as PDF."},
        {"name": "Orders", "description": "What a payer owes a merchant."},
        {"name": "Promotions", "description": "Codes that lower an order; what one would give."},
        {"name": "Payment methods", "description": "What a payer saved to pay with, and what may be charged unasked."},
        {"name": "Checkout", "description": "The hosted page that takes a payment for an order."},
        {"name": "Payments", "description": "One attempt to collect an order; create, show, wait for a change."},
        {"name": "Refunds", "description": "Money returned from a payment."},
        {"name": "Wallet", "description": "What the signed-in user keeps here: top up, spend, withdraw."},
        {"name": "Disputes", "description": "What payers' banks take back, and the merchant's answers."},
        {"name": "Merchants", "description": "Apply to take money, join a merchant, see whom a key speaks for."},
        {
            "name": "Merchant's server",
            "description": "Orders, payments and refunds of one merchant, by API key. The addresses above answer a "
            "key as well; an Idempotency-Key used at both is one effect.",
        },
        {"name": "Webhooks", "description": "Where a merchant's server is told of its events, and what became of it."},
        {"name": "Events", "description": "A merchant's own feed of everything that happened, complete and in order."},
    ],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["paycore.openapi.scope.only_public_api"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "paycore.openapi.components.add_shared_components",
        "paycore.openapi.authentication.merge_authentication",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False, "displayRequestDuration": True},
    "ENUM_NAME_OVERRIDES": {
        "CurrencyEnum": "paycore.fields.CURRENCY_CHOICES",
        "ConsentActEnum": "accounts.consents.models.Consent.Act",
        "ConsentKindEnum": "accounts.consents.models.ConsentDocument.Kind",
        "DataExportStatusEnum": "accounts.personal_data.models.DataExport.Status",
        "DisputeFileKindEnum": "payments.orders.disputes.models.DisputeFile.Kind",
        "ErasureStatusEnum": "accounts.leaving.models.Erasure.Status",
        "FeatureKindEnum": "memberships.models.Feature.Kind",
        "GiftObjectEnum": [("gift", "gift")],
        "GiftStatusEnum": "memberships.models.Gift.Status",
        "IdentityCheckStatusEnum": "accounts.kyc.models.KycCase.Status",
        "IdentityDocumentEnum": "accounts.kyc.models.KycCase.DocumentType",
        "InvoiceKindEnum": "memberships.models.Invoice.Kind",
        "InvoiceStatusEnum": "memberships.models.Invoice.Status",
        "KycLevelEnum": "accounts.models.KycLevel",
        "LocaleEnum": "accounts.models.User.Locale",
        "MerchantDocumentKindEnum": "merchants.onboarding.models.MerchantDocument.Kind",
        "MerchantStatusEnum": "merchants.models.Merchant.Status",
        "PriceIntervalEnum": "memberships.models.Price.Interval",
        "PriceMoveStatusEnum": "memberships.models.PriceMove.Status",
        "PromotionCodeBatchStatusEnum": "payments.promotions.models.CodeBatch.Status",
        "PromotionDraftKindEnum": "payments.promotions.serializers.DRAFT_KINDS",
        "PromotionKindEnum": "payments.promotions.models.Promotion.Kind",
        "PromotionStatusEnum": "payments.promotions.models.Promotion.Status",
        "PromotionUseStatusEnum": "payments.promotions.models.Redemption.Status",
        "SeatObjectEnum": [("seat", "seat")],
        "SeatRoleEnum": [("owner", "owner"), ("member", "member")],
        "SeatStatusEnum": "memberships.models.Seat.Status",
        "StoreAccountTokenObjectEnum": [("store_account_token", "store_account_token")],
        "StoreEnum": "memberships.models.Store",
        "StorePurchaseObjectEnum": [("store_purchase", "store_purchase")],
        "StorePurchaseStatusEnum": "memberships.models.StorePurchase.State",
        "StoreStandingEnum": "memberships.models.StorePurchase.Standing",
        "StoreTransferObjectEnum": [("store_transfer", "store_transfer")],
        "SubscriptionObjectEnum": [("subscription", "subscription")],
        "SubscriptionRailEnum": "memberships.models.Subscription.Rail",
        "SubscriptionStatusEnum": "memberships.models.Subscription.Status",
        "WebhookDeliveryObjectEnum": [("webhook_delivery", "webhook_delivery")],
        "WebhookDeliveryStatusEnum": "merchants.webhooks.models.WebhookDelivery.Status",
        "WebhookEndpointObjectEnum": [("webhook_endpoint", "webhook_endpoint")],
        "WebhookEndpointStatusEnum": "merchants.webhooks.serializers.ENDPOINT_STATUSES",
    },
}
