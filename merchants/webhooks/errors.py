"""Refusals about webhooks and the event feed."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError


class WebhookAddressRefused(PaycoreError):
    """The detail says why: scheme, port, or a host that is not on the public internet."""

    code, http_status = "webhook_address_refused", 400
    title = _("Webhooks cannot be sent to this address.")


class TooManyEndpoints(Conflict):
    code = "too_many_endpoints"
    title = _("There are as many webhook endpoints as a merchant may have.")


class EndpointNotEnabled(Conflict):
    code = "endpoint_not_enabled"
    title = _("The webhook endpoint is not enabled.")


class FeedStillNeeded(Conflict):
    code = "feed_still_needed"
    title = _("The event feed cannot be switched off while a webhook endpoint is enabled.")


class FeedPositionExpired(PaycoreError):
    """``oldest_position`` is the first that is still kept."""

    code, http_status = "feed_position_expired", 410
    title = _(
        "Events after this position are past their keeping time. Compare your orders, then go on from the oldest."
    )
