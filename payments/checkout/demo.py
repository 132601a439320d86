"""A payment to try things out with, where no real money can move."""

from django.conf import settings

from merchants.queries import platform_merchant
from paycore.errors import NotFound
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session
from payments.orders.services import OrderDraft, OrderLine, create_order

TEST_AMOUNT = Money(1999, "USD")
TEST_DESCRIPTION = "Premium membership (test)"


def create_test_session() -> CheckoutSession:
    """A new order of the platform's and a link to pay it. NotFound outside the sandbox, NoPlatformMerchant before
    the demo data is there."""
    if not settings.PAYCORE_SANDBOX_MODE:
        raise NotFound
    order = create_order(
        OrderDraft(
            merchant_id=platform_merchant().id,
            amount=TEST_AMOUNT,
            description=TEST_DESCRIPTION,
            lines=[OrderLine(TEST_DESCRIPTION, TEST_AMOUNT.minor)],
            takes_codes=True,
        )
    )
    home = f"{settings.PAYCORE_BASE_URL}/"
    return create_session(
        order, SessionDraft(success_url=home, cancel_url=home, created_by="landing page", allows_codes=True)
    )
