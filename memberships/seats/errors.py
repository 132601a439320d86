"""Why a seat is refused."""

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound


class InvitationNotValid(NotFound):
    code = "seat_invitation_not_valid"
    title = _("This invitation is not valid (any more). Ask for a new one.")


class AlreadyHasSeat(Conflict):
    code = "already_has_seat"
    title = _("This person has a seat already. A person can have one seat only.")


class OwnerNeedsNoSeat(Conflict):
    code = "owner_needs_no_seat"
    title = _("This membership is the person's own.")


class NotLive(Conflict):
    code = "subscription_not_live"
    title = _("This subscription has ended or has not begun.")


class NothingToConfirm(Conflict):
    code = "nothing_to_confirm"
    title = _("Nobody waits for this seat.")


class TooManySeatInvitations(Conflict):
    code = "too_many_seat_invitations"
    title = _("Too many invitations for one day.")
