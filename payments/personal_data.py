"""What payments keep about a person (accounts/personal_data/sections.py)."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.personal_data.sections import Attachment, Collected, Section, register_section
from paycore.errors import Conflict
from paycore.notifications.rendering import render
from payments.checkout.models import CheckoutSession
from payments.methods.erasure import forget_methods
from payments.methods.models import PaymentMethod
from payments.methods.presentation import present_method
from payments.orders import transitions
from payments.orders.disputes.presentation import present_dispute
from payments.orders.models import Order, Payment, Refund
from payments.orders.presentation import present_order, present_payment, present_refund
from payments.orders.receipts import receipt_facts
from payments.promotions.models import KnownCard, Redemption, RedemptionPerson
from payments.promotions.presentation import present_redemption
from payments.wallet.presentation import present_operation, present_top_up, present_wallet, present_withdrawal
from payments.wallet.queries import holdings_of, operations_of, top_ups_of, withdrawals_of

CHUNK = 200


class OrdersOpen(Conflict):
    code = "orders_open"
    title = _("An order of yours is still open. Pay or cancel it first; unpaid orders end by themselves.")


class PaymentsUnderWay(Conflict):
    code = "payments_under_way"
    title = _("A payment of yours is still under way. Wait for its end.")


class RefundsUnderWay(Conflict):
    code = "refunds_under_way"
    title = _("Money is still on its way back to you. Wait for the refund.")


class WalletNotEmpty(Conflict):
    code = "wallet_not_empty"
    title = _("There is money in your wallet, or on its way to your bank. Spend or withdraw it first.")


def collect_orders(user_id: str) -> Collected:
    """Orders with their payments and refunds, saved methods with what was agreed for them, and a receipt of each order
    that was paid, as it was mailed."""
    rows = Order.objects.filter(user_id=user_id).order_by("id")
    rows = rows.prefetch_related("payments__refunds", "payments__disputes")
    methods = PaymentMethod.objects.filter(user_id=user_id).order_by("id").prefetch_related("mandates")
    document = {
        "orders": [_order(order) for order in rows.iterator(chunk_size=CHUNK)],
        "payment_methods": [_method(method) for method in methods.iterator(chunk_size=CHUNK)],
    }
    return Collected(document, _receipts(user_id))


def erase_payer(user_id: str) -> None:
    """Amounts, dates and states stay; what a payer typed or where a browser was sent goes."""
    Order.objects.filter(user_id=user_id).exclude(metadata={}).update(metadata={})
    ended = Payment.objects.filter(order__user_id=user_id, status__in=transitions.PAYMENT.final)
    ended.update(request_options={}, return_url="", action=None)
    CheckoutSession.objects.filter(order__user_id=user_id).exclude(wechat_openid="").update(wechat_openid="")
    forget_methods(user_id)


def refuse_while_money_moves(user_id: str) -> None:
    refunds = Refund.objects.filter(payment__order__user_id=user_id)
    if refunds.exclude(status__in=transitions.REFUND.final).exists():
        raise RefundsUnderWay
    live = Payment.objects.filter(order=OuterRef("pk")).exclude(status__in=transitions.PAYMENT.final)
    orders = Order.objects.filter(user_id=user_id)
    if orders.filter(Exists(live)).exists():
        raise PaymentsUnderWay
    if orders.filter(status=Order.Status.OPEN).exists():
        raise OrdersOpen


def _method(method: PaymentMethod) -> dict[str, Any]:
    """With the devices that the mandates were agreed on."""
    devices = {
        mandate.id: {
            "ip_address": mandate.ip_address,
            "device_id": mandate.device_id,
            "user_agent": mandate.user_agent,
        }
        for mandate in method.mandates.all()
    }
    shown = present_method(method)
    return {**shown, "mandates": [{**mandate, **devices[mandate["id"]]} for mandate in shown["mandates"]]}


def _order(order: Order) -> dict[str, Any]:
    return {
        **present_order(order),
        "payments": [
            {
                **present_payment(payment),
                "refunds": [present_refund(refund) for refund in payment.refunds.all()],
                "disputes": [
                    {**present_dispute(dispute), "merchant_says": dispute.texts or {}}
                    for dispute in payment.disputes.all()
                ],
            }
            for payment in order.payments.all()
        ],
    }


def _receipts(user_id: str) -> Iterator[Attachment]:
    language = User.objects.values_list("locale", flat=True).get(pk=user_id)
    paid = Order.objects.filter(user_id=user_id, paid_at__isnull=False).select_related("merchant").order_by("id")
    for order in paid.iterator(chunk_size=CHUNK):
        message = render("payment_received", context=receipt_facts(order, amount=order.amount), language=language)
        yield Attachment(f"receipts/{order.id}.html", message.html.encode())
        yield Attachment(f"receipts/{order.id}.txt", message.text.encode())


register_section(
    Section(
        name="payments",
        collect=collect_orders,
        erase=erase_payer,
        refuse=refuse_while_money_moves,
        keeps=_(
            "Orders, payments, refunds and the books, without your name or address, and what a merchant said and "
            "proved when your bank disputed a payment: tax and accounting law wants them for six to ten years (for "
            "example section 147 of Germany's AO; China's Accounting Archives rules: 30 "
            "years for ledgers), and so does the defence of claims (GDPR Art. 17(3)(b) and (e))."
        ),
    )
)


def collect_wallets(user_id: str) -> Collected:
    operations = operations_of(user_id).order_by("created_at", "id")
    withdrawals = withdrawals_of(user_id).order_by("id")
    return Collected(
        {
            "wallets": [present_wallet(found) for found in holdings_of(user_id)],
            "operations": [present_operation(row) for row in operations.iterator(chunk_size=CHUNK)],
            "top_ups": [present_top_up(row) for row in top_ups_of(user_id).order_by("id")],
            "withdrawals": [{**present_withdrawal(row), "iban": row.iban, "holder": row.holder} for row in withdrawals],
        }
    )


def erase_bank_accounts(user_id: str) -> None:
    """Of withdrawals that ended, which all have when the wallet is empty."""
    withdrawals_of(user_id).update(iban=None, holder=None)


def refuse_while_wallets_hold_money(user_id: str) -> None:
    if any(found.spendable.minor or found.held.minor or found.withdrawing.minor for found in holdings_of(user_id)):
        raise WalletNotEmpty


register_section(
    Section(
        name="wallet",
        collect=collect_wallets,
        erase=erase_bank_accounts,
        refuse=refuse_while_wallets_hold_money,
        keeps=_(
            "What went into your wallet and out of it, with the first and last characters of your bank account: the "
            "law about books wants it."
        ),
    )
)


def collect_promotions(user_id: str) -> Collected:
    uses = Redemption.objects.filter(user_id=user_id).select_related("code").order_by("id")
    return Collected({"uses": [present_redemption(use) for use in uses.iterator(chunk_size=CHUNK)]})


def forget_mail_boxes_and_cards(user_id: str) -> None:
    """The uses stay with the account's number alone; what else told one person is forgotten."""
    KnownCard.objects.filter(user_id=user_id).delete()
    persons = RedemptionPerson.objects.filter(redemption__user_id=user_id)
    persons.exclude(kind=RedemptionPerson.Kind.ACCOUNT).delete()


register_section(
    Section(
        name="promotions",
        collect=collect_promotions,
        erase=forget_mail_boxes_and_cards,
        keeps=_("Which promotion codes lowered which order, without your name or address: the books want it."),
    )
)
