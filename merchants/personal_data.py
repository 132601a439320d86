"""What merchants keep about a person (accounts/personal_data/sections.py)."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.personal_data.sections import Collected, Section, register_section
from merchants.members.services import forget_invitations
from merchants.models import Merchant, MerchantMember
from paycore.errors import Conflict


class OwnsMerchant(Conflict):
    code = "owns_merchant"
    title = _("You own a business here. Hand it over or close it first.")


def collect_roles(user_id: str) -> Collected:
    roles = MerchantMember.objects.filter(user_id=user_id).select_related("merchant").order_by("id")
    return Collected(
        {
            "roles": [
                {"merchant": row.merchant_id, "name": row.merchant.name, "role": row.role, "since": row.created_at}
                for row in roles
            ]
        }
    )


def leave_merchants(user_id: str) -> None:
    MerchantMember.objects.filter(user_id=user_id).delete()
    forget_invitations(User.objects.get(pk=user_id))


def refuse_owners(user_id: str) -> None:
    owned = MerchantMember.objects.filter(user_id=user_id, role=MerchantMember.Role.OWNER)
    if owned.exclude(merchant__status=Merchant.Status.CLOSED).exists():
        raise OwnsMerchant


register_section(
    Section(
        name="merchants",
        collect=collect_roles,
        erase=leave_merchants,
        refuse=refuse_owners,
        keeps=_(
            "That your account's number acted for a business, without your name: the journal of who changed what "
            "belongs to that business's records (GDPR Art. 17(3)(b))."
        ),
    )
)
