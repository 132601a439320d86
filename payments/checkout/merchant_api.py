"""`/api/v1/merchant/checkout-sessions`: a merchant's server's own address of :mod:`payments.checkout.api`."""

from drf_spectacular.utils import extend_schema_view

from payments.checkout.api import CheckoutSessionListView, CheckoutSessionView
from payments.orders.merchant_views import ForServers, described


@extend_schema_view(
    post=described("merchant_checkout_sessions_create", "Open a hosted payment page for an order of the merchant")
)
class MerchantCheckoutSessionListView(ForServers, CheckoutSessionListView):
    pass


@extend_schema_view(get=described("merchant_checkout_sessions_show", "Show a session and how far the payer is"))
class MerchantCheckoutSessionView(ForServers, CheckoutSessionView):
    pass
