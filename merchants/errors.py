from django.utils.translation import gettext_lazy as _

from paycore.errors import NotFound, PermissionRefused


class NoPlatformMerchant(NotFound):
    """Memberships are sold by the platform's own merchant; ``seed_demo`` or an operator creates it."""

    code = "no_platform_merchant"
    title = _("The platform has no merchant of its own yet.")


class MerchantNotActive(PermissionRefused):
    code = "merchant_not_active"
    title = _("This merchant may not use the API now.")
