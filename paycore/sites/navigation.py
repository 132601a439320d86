"""The sidebar: what is registered and the visitor may see, in an order that people expect.

Models are named as strings, for the kernel imports no app; what has no place here appears under "More".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Group:
    """``models`` are ``"app.model icon"``, lower case."""

    title: "StrOrPromise"
    models: Sequence[str]


_MONEY = Group(
    _("Money"),
    (
        "payments.order receipt_long",
        "payments.payment payments",
        "payments.refund undo",
        "payments.capture download",
        "payments.dispute gavel",
        "payments.checkoutsession shopping_cart_checkout",
        "payments.paymentmethod credit_card",
        "payments.mandate handshake",
    ),
)
_WALLETS = Group(
    _("Wallets"),
    (
        "payments.wallet account_balance_wallet",
        "payments.walletoperation list_alt",
        "payments.wallettopup add_card",
        "payments.walletwithdrawal outbound",
    ),
)
_PROMOTIONS = Group(
    _("Promotions"),
    (
        "payments.promotion redeem",
        "payments.promotioncode confirmation_number",
        "payments.codebatch qr_code_2",
        "payments.redemption loyalty",
    ),
)
_MEMBERSHIPS = Group(
    _("Memberships"),
    (
        "memberships.membershipmonth monitoring",
        "memberships.subscription autorenew",
        "memberships.memberaction checklist",
        "memberships.period card_membership",
        "memberships.dunning running_with_errors",
        "memberships.chargenotice campaign",
        "memberships.invoice request_quote",
        "memberships.creditnote assignment_return",
        "memberships.invoicevoiding block",
        "memberships.promisedrefund currency_exchange",
        "memberships.grant volunteer_activism",
        "memberships.gift redeem",
        "memberships.codebatch confirmation_number",
        "memberships.redeemcode pin",
        "memberships.redemption loyalty",
        "memberships.seat group_add",
        "memberships.usagecounter speed",
        "memberships.clockadvance more_time",
        "memberships.tier workspace_premium",
        "memberships.feature verified",
        "memberships.plan sell",
        "memberships.price price_change",
        "memberships.pricechange trending_up",
        "memberships.pricemove swap_horiz",
        "memberships.taxrate percent",
        "memberships.revenuerecognition stacked_line_chart",
        "memberships.revenueschedule schedule",
        "memberships.storeaccount store",
        "memberships.storepurchase shop",
        "memberships.storenotice mark_chat_read",
        "memberships.storetransfer move_up",
    ),
)

OPS_GROUPS = (
    _MONEY,
    _WALLETS,
    Group(
        _("Risk"),
        (
            "riskcontrol.case assignment_late",
            "riskcontrol.decision policy",
            "riskcontrol.rule rule",
            "riskcontrol.risklist playlist_remove",
            "riskcontrol.listentry format_list_bulleted",
            "riskcontrol.paymentlimit speed",
            "riskcontrol.rating grade",
        ),
    ),
    _PROMOTIONS,
    _MEMBERSHIPS,
    Group(
        _("People"),
        (
            "accounts.user person",
            "accounts.kyccase badge",
            "accounts.kycdocumentview visibility",
            "accounts.consentdocument contract",
            "accounts.consent handshake",
            "accounts.dataexport folder_zip",
            "accounts.erasure person_remove",
            "merchants.merchant storefront",
            "merchants.merchantdocument description",
            "merchants.merchantmember group",
            "merchants.invitation person_add",
        ),
    ),
    Group(
        _("Gateways"),
        (
            "payments.gatewayaccount hub",
            "payments.routingruleset alt_route",
            "payments.routingrule rule",
            "payments.routingtrial science",
            "payments.webhookreceipt call_received",
            "payments.evidence fact_check",
        ),
    ),
    Group(
        _("Reconciliation"),
        (
            "reconciliation.statement fact_check",
            "reconciliation.discrepancy rule",
            "reconciliation.proposal approval",
            "reconciliation.carriedrecord update",
            "reconciliation.bankstatement account_balance",
            "reconciliation.bankentry swap_vert",
            "reconciliation.payout send_money",
            "reconciliation.payoutbatch folder_open",
        ),
    ),
    Group(
        _("Books"),
        (
            "payments.ledgeraccount account_balance",
            "payments.posting menu_book",
            "payments.transfer swap_horiz",
            "payments.ledgerseal verified",
        ),
    ),
    Group(
        _("Machinery"),
        (
            "paycore.outboxmessage outbox",
            "paycore.eventrecord history",
            "paycore.notification mail",
            "paycore.smsusage sms",
            "paycore.smspause do_not_disturb_on",
            "paycore.idempotencykey fingerprint",
            "merchants.apikey key",
            "merchants.webhookendpoint webhook",
            "merchants.webhookdelivery send",
            "merchants.webhookevent dynamic_feed",
        ),
    ),
)
MERCHANT_GROUPS = (
    _MONEY,
    _PROMOTIONS,
    _MEMBERSHIPS,
    Group(
        _("Developers"),
        (
            "merchants.apikey key",
            "merchants.webhookendpoint webhook",
            "merchants.webhookdelivery send",
            "merchants.webhookevent dynamic_feed",
        ),
    ),
    Group(
        _("Business"),
        (
            "merchants.merchant storefront",
            "merchants.merchantdocument description",
            "merchants.merchantmember group",
            "merchants.invitation person_add",
        ),
    ),
)
_ICONS = dict(name.split() for group in (*OPS_GROUPS, *MERCHANT_GROUPS) for name in group.models)


def navigation(site: AdminSite, *, groups: Sequence[Group], request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's sidebar configuration for this visitor."""
    visible = {
        model._meta.label_lower: model_admin
        for model, model_admin in site._registry.items()
        if model_admin.has_view_or_change_permission(request)
    }
    home = {"title": gettext("Overview"), "icon": "dashboard", "link": reverse(f"{site.name}:index")}
    result: list[dict[str, Any]] = [{"items": [home]}]
    for group in groups:
        labels = [name.split()[0] for name in group.models]
        items = [_item(site, visible.pop(label)) for label in labels if label in visible]
        if items:
            result.append({"title": group.title, "separator": True, "items": items})
    if visible:
        result.append(
            {"title": gettext("More"), "separator": True, "items": [_item(site, m) for m in visible.values()]}
        )
    return result


def _item(site: AdminSite, model_admin: "ModelAdmin[Any]") -> dict[str, Any]:
    options = model_admin.model._meta
    return {
        "title": str(options.verbose_name_plural).capitalize()
        if str(options.verbose_name_plural).islower()
        else options.verbose_name_plural,
        "icon": _ICONS.get(options.label_lower, "database"),
        "link": reverse(f"{site.name}:{options.app_label}_{options.model_name}_changelist"),
    }
