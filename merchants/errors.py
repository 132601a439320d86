from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound, PaycoreError, PermissionRefused


class PlatformExists(Conflict):
    code = "platform_exists"
    title = _("The platform has its own merchant already.")


class NoPlatformMerchant(NotFound):
    """Memberships are sold by the platform's own merchant; ``seed_demo`` or an operator creates it."""

    code = "no_platform_merchant"
    title = _("The platform has no merchant of its own yet.")


class MerchantNotActive(PermissionRefused):
    code = "merchant_not_active"
    title = _("This merchant may not use the API now.")


class IpNotAllowed(PermissionRefused):
    code = "ip_not_allowed"
    title = _("This API key may not be used from this address.")


class KeyIsReadOnly(PermissionRefused):
    code = "key_is_read_only"
    title = _("This API key may only read.")


class KeyNotActive(Conflict):
    code = "api_key_not_active"
    title = _("This API key was revoked, has expired or was replaced already.")


class RoleNotSufficient(PermissionRefused):
    code = "role_not_sufficient"
    title = _("Your role at this merchant does not allow this.")


class OwnerNeeded(Conflict):
    code = "owner_needed"
    title = _("A merchant needs at least one owner.")


class InvitationNotValid(PaycoreError):
    """Wrong, used, withdrawn or too old: which one is not disclosed."""

    code, http_status = "invitation_not_valid", 404
    title = _("This invitation is not valid (any more).")


class InvitationForSomeoneElse(PermissionRefused):
    code = "invitation_for_someone_else"
    title = _("This invitation was sent to another e-mail address.")


class AccountExists(Conflict):
    code = "account_exists"
    title = _("There is an account with this address: accept with its password.")


class AlreadyMember(Conflict):
    code = "already_member"
    title = _("This person is a member already.")


class TooManyInvitations(Conflict):
    code = "too_many_invitations"
    title = _("Too many invitations are open. Withdraw some first.")


class TooManyApplications(Conflict):
    code = "too_many_applications"
    title = _("You have too many unfinished applications.")


class ApplicationNotOpen(Conflict):
    """While it is reviewed, and after the decision, what was handed in stays as it is."""

    code = "application_not_open"
    title = _("The application cannot be changed now.")


class ApplicationIncomplete(PaycoreError):
    """``missing`` names fields and kinds of documents."""

    code, http_status = "application_incomplete", 422
    title = _("The application is not complete.")


class TooManyDocuments(Conflict):
    code = "too_many_documents"
    title = _("There are too many documents. Remove one first.")


class FeesNotConfirmed(Conflict):
    code = "fees_not_confirmed"
    title = _("The fees must be set before a merchant is approved.")


class ReviewOfOwnMerchant(PermissionRefused):
    code = "review_of_own_merchant"
    title = _("You are a member of this merchant: another person must decide.")


class ReasonNeeded(PaycoreError):
    code, http_status = "reason_needed", 422
    title = _("Say why.")
