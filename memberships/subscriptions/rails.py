"""Where a membership is managed that somebody else sells."""

from urllib.parse import urlencode

from django.conf import settings

from memberships.models import StorePurchase, Subscription

APP_STORE = "https://apps.apple.com/account/subscriptions"
GOOGLE_PLAY = "https://play.google.com/store/account/subscriptions"


def manage_url(rail: str, *, product: str = "", package: str = "") -> str:
    """The page on which its member changes or cancels it. ``product`` and ``package`` lead to the very one at Google
    Play."""
    if rail == Subscription.Rail.APP_STORE:
        return APP_STORE
    if rail == Subscription.Rail.GOOGLE_PLAY:
        return (
            f"{GOOGLE_PLAY}?{urlencode({'sku': product, 'package': package})}" if product and package else GOOGLE_PLAY
        )
    return str(settings.PAYCORE_MEMBERSHIP_MANAGE_URL)


def manage_url_of(subscription: Subscription) -> str:
    if subscription.rail != Subscription.Rail.GOOGLE_PLAY:
        return manage_url(subscription.rail)
    sold = StorePurchase.objects.filter(subscription=subscription).select_related("account").first()
    package = sold.account.bundle_id if sold else ""
    return manage_url(subscription.rail, product=sold.product_id if sold else "", package=package)
