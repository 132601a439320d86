"""What the API shows of wallets, and its shapes."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from payments.wallet.models import WalletOperation, WalletTopUp, WalletWithdrawal
from payments.wallet.queries import Holdings

_MINOR = _("In the currency's smallest unit.")


class WalletSerializer(serializers.Serializer[Any]):
    """One wallet: there is one a currency."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["wallet"])
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=["active", "frozen"])
    spendable_minor = serializers.IntegerField(help_text=_("What can be spent now, in the smallest unit."))
    held_minor = serializers.IntegerField(help_text=_("Reserved by merchants that have not taken it yet."))
    withdrawing_minor = serializers.IntegerField(help_text=_("On its way to the bank."))


class WalletListSerializer(serializers.Serializer[Any]):
    data = WalletSerializer(many=True)  # type: ignore[assignment]  # a field named as a property of the base


class WalletOperationSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["wallet_operation"])
    kind = serializers.ChoiceField(choices=[kind for kind in WalletOperation.Kind.values if kind != "close"])
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text=_MINOR)
    change_minor = serializers.IntegerField(help_text=_("What it did to what can be spent; negative: it went out."))
    balance_after_minor = serializers.IntegerField(help_text=_("What could be spent after it."))
    reference = serializers.CharField(help_text=_("What it was for: a payment, refund, top-up or withdrawal."))
    created_at = serializers.DateTimeField()


class WalletTopUpSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["wallet_top_up"])
    status = serializers.ChoiceField(choices=["waiting", "credited"])
    order = serializers.CharField(help_text=_("Pay it with /payments or /checkout-sessions."))
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text=_MINOR)
    created_at = serializers.DateTimeField()
    credited_at = serializers.DateTimeField(allow_null=True)


class WalletWithdrawalSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["wallet_withdrawal"])
    status = serializers.ChoiceField(choices=["in_review", "approved", "sent", "paid", "rejected", "failed"])
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text=_MINOR)
    bank_account = serializers.CharField(help_text=_("The first and the last characters of the IBAN."))
    reason = serializers.CharField(help_text=_("Why it was rejected, or failed."))
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


def present_wallet(holdings: Holdings) -> dict[str, Any]:
    return {
        "id": holdings.wallet.id,
        "object": "wallet",
        "currency": holdings.wallet.currency,
        "status": holdings.wallet.status,
        "spendable_minor": holdings.spendable.minor,
        "held_minor": holdings.held.minor,
        "withdrawing_minor": holdings.withdrawing.minor,
    }


def present_operation(operation: WalletOperation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "object": "wallet_operation",
        "kind": operation.kind,
        "currency": operation.currency,
        "amount_minor": operation.amount_minor,
        "change_minor": operation.change_minor,
        "balance_after_minor": operation.balance_after_minor,
        "reference": operation.reference,
        "created_at": operation.created_at,
    }


def present_top_up(top_up: WalletTopUp) -> dict[str, Any]:
    return {
        "id": top_up.id,
        "object": "wallet_top_up",
        "status": top_up.status,
        "order": top_up.order_id,
        "currency": top_up.currency,
        "amount_minor": top_up.amount_minor,
        "created_at": top_up.created_at,
        "credited_at": top_up.credited_at,
    }


def present_withdrawal(withdrawal: WalletWithdrawal) -> dict[str, Any]:
    """How many people agreed is our business; to the user it is in review."""
    in_review = withdrawal.status in (WalletWithdrawal.Status.REQUESTED, WalletWithdrawal.Status.HALF_APPROVED)
    reasons = {"rejected": withdrawal.review_note, "failed": withdrawal.failure_reason}
    return {
        "id": withdrawal.id,
        "object": "wallet_withdrawal",
        "status": "in_review" if in_review else withdrawal.status,
        "currency": withdrawal.currency,
        "amount_minor": withdrawal.amount_minor,
        "bank_account": withdrawal.iban_masked,
        "reason": reasons.get(withdrawal.status, ""),
        "created_at": withdrawal.created_at,
        "ended_at": withdrawal.ended_at,
    }
