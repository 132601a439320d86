"""Speaks Stripe's API. Its words stop in this folder."""

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from payments.gateways.contract import (
    AccountField,
    GatewayConfiguration,
    WebhookIdentity,
    WebhookNotice,
)
from payments.gateways.stripe import amounts, sdk, webhooks, words
from payments.gateways.stripe.account import malformed
from payments.gateways.stripe.disputes import Disputing
from payments.gateways.stripe.json_words import NotUnderstood, inner, text
from payments.gateways.stripe.paying import Paying
from payments.gateways.stripe.refunding import Refunding
from payments.gateways.stripe.statements import Reporting
from payments.gateways.stripe.vault import Vault


class StripeGateway(Paying, Refunding, Vault, Disputing, Reporting):
    """Implements CaptureCapable, CloseCapable, VaultCapable, DisputeCapable, ProbeCapable, StatementSource and
    StatementReader."""

    name: ClassVar[str] = "stripe"
    methods: ClassVar[tuple[str, ...]] = words.METHODS
    currencies: ClassVar[frozenset[str]] = amounts.CURRENCIES
    addresses: ClassVar[tuple[str, ...]] = (sdk.PRODUCTION,)
    account_fields: ClassVar[tuple[AccountField, ...]] = (
        AccountField("secret_key"),
        AccountField("publishable_key", is_secret=False),
        AccountField("webhook_secret", can_overlap=True),
        AccountField("request_multicapture", is_secret=False, is_required=False),
        AccountField("report_type", is_secret=False, is_required=False),
        AccountField("files_address", is_secret=False, is_required=False, is_override=True),
    )
    challengeable_methods: ClassVar[frozenset[str]] = frozenset({"card"})
    resolves_by_repeating: ClassVar[bool] = True
    repeats_for_seconds: ClassVar[int | None] = 23 * 3600  # Stripe keeps a key for at least 24 hours
    # The signature does bind an event's content, but that names the charge by its id only: the exact fee and the card
    # that was kept are read anew, and a try that failed here is ended in the same call.
    webhooks_are_hints: ClassVar[bool] = True

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(configuration)
        self._clock = clock

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        secrets = self.configuration.secrets_in_use("webhook_secret")
        webhooks.check_signature(headers.get(webhooks.HEADER, ""), body, secrets=secrets, now=self._clock())
        return webhooks.identity_of(body)

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        """Call after :meth:`verify_webhook`."""
        return webhooks.notices_of(body, publishable_key=self._publishable_key)

    def probe(self) -> str:
        account = self._api.get("/v1/account")
        try:
            shown = text(inner(inner(account, "settings"), "dashboard"), "display_name")
            return f"{shown} ({text(account, 'id')})" if shown else text(account, "id")
        except NotUnderstood as problem:
            raise malformed(problem) from None
