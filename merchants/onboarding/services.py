"""A business applies, is reviewed, and is approved, sent back, suspended or closed.

Every step locks the merchant's row, consults the table of states, keeps who took it and why, and publishes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db import transaction

from accounts.models import User
from merchants.errors import (
    ApplicationIncomplete,
    ApplicationNotOpen,
    FeesNotConfirmed,
    ReasonNeeded,
    ReviewOfOwnMerchant,
    TooManyApplications,
)
from merchants.events import MerchantStatusChanged
from merchants.models import Merchant, MerchantMember, MerchantReview
from merchants.onboarding.completeness import item_title, missing_items
from merchants.transitions import MERCHANT_STATES
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from paycore.money import Money
from paycore.states import IllegalTransition

OPEN_STATUSES = frozenset({Merchant.Status.DRAFT.value, Merchant.Status.RETURNED.value})
"""While the application is the applicant's to change."""
MOST_OPEN_APPLICATIONS = 5


@dataclass(frozen=True, slots=True)
class BusinessDetails:
    """What an applicant says about the business. Empty texts are gaps that :func:`submit_application` names."""

    name: str
    country: str
    home_currency: str = "USD"
    legal_name: str = ""
    business_kind: str = ""
    registration_number: str = ""
    website: str = ""
    support_email: str = ""


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What the platform keeps of each payment; ``fixed_minor`` and the limit are in the home currency."""

    basis_points: int
    fixed_minor: int
    refund_review_above_minor: int | None = None


@dataclass(frozen=True, slots=True)
class ItemNote:
    """What to mend: a field's name or a document's id, and why."""

    item: str
    note: str


def apply(*, applicant: User, details: BusinessDetails) -> Merchant:
    """A draft that the applicant owns. TooManyApplications beyond five unfinished ones."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=applicant.id)  # so that two at once are counted
        unfinished = MerchantMember.objects.filter(
            user=applicant, role=MerchantMember.Role.OWNER, merchant__status__in=[*OPEN_STATUSES, "submitted"]
        )
        if unfinished.count() >= MOST_OPEN_APPLICATIONS:
            raise TooManyApplications
        merchant = Merchant(fee_basis_points=0)
        _fill_in(merchant, details)
        merchant.save(force_insert=True)
        MerchantMember.objects.create(merchant=merchant, user=applicant, role=MerchantMember.Role.OWNER)
    return merchant


def change_application(*, merchant_id: str, details: BusinessDetails) -> Merchant:
    """ApplicationNotOpen while it is reviewed and after."""
    with transaction.atomic():
        merchant = lock_open_application(merchant_id)
        _fill_in(merchant, details)
        merchant.save(update_fields=[*asdict(details), "updated_at"])
    return merchant


def details_of(merchant: Merchant) -> BusinessDetails:
    values = {name: getattr(merchant, name) or "" for name in BusinessDetails.__dataclass_fields__}
    return BusinessDetails(**values)


def submit_application(*, merchant_id: str, by: User) -> Merchant:
    """Hand in for review. ApplicationIncomplete names what is missing."""
    with transaction.atomic():
        merchant = lock_merchant(merchant_id)
        MERCHANT_STATES.require(merchant.status, Merchant.Status.SUBMITTED)
        if missing := missing_items(merchant):
            titles = ", ".join(str(item_title(item)) for item in missing)
            raise ApplicationIncomplete(titles, missing=missing)
        return _advance(merchant, Merchant.Status.SUBMITTED, step=MerchantReview.Step.SUBMITTED, by=by)


def approve_application(*, merchant_id: str, by: User, fees: FeeTerms | None) -> Merchant:
    """From submitted. FeesNotConfirmed without terms, ReviewOfOwnMerchant for a member."""
    with transaction.atomic():
        merchant = _lock_for_review(merchant_id, by=by)
        _require_status(merchant, Merchant.Status.SUBMITTED)
        if fees is None:
            raise FeesNotConfirmed
        Money(fees.fixed_minor, merchant.home_currency)
        merchant.fee_basis_points, merchant.fee_fixed_minor = fees.basis_points, fees.fixed_minor
        merchant.refund_review_above_minor = fees.refund_review_above_minor
        merchant.fees_confirmed_at = database_now()
        merchant.save(
            update_fields=["fee_basis_points", "fee_fixed_minor", "refund_review_above_minor", "fees_confirmed_at"]
        )
        return _advance(merchant, Merchant.Status.APPROVED, step=MerchantReview.Step.APPROVED, by=by)


def return_application(*, merchant_id: str, by: User, reason: str, notes: Sequence[ItemNote] = ()) -> Merchant:
    """From submitted, with what to mend."""
    with transaction.atomic():
        merchant = _lock_for_review(merchant_id, by=by)
        return _advance(
            merchant,
            Merchant.Status.RETURNED,
            step=MerchantReview.Step.RETURNED,
            by=by,
            reason=_required(reason),
            notes=notes,
        )


def suspend_merchant(*, merchant_id: str, by: User, reason: str) -> Merchant:
    """Its API keys are refused from the next request on; its people may still look."""
    with transaction.atomic():
        merchant = _lock_for_review(merchant_id, by=by)
        return _advance(
            merchant,
            Merchant.Status.SUSPENDED,
            step=MerchantReview.Step.SUSPENDED,
            by=by,
            reason=_required(reason),
        )


def reinstate_merchant(*, merchant_id: str, by: User, reason: str) -> Merchant:
    """From suspended back to approved."""
    with transaction.atomic():
        merchant = _lock_for_review(merchant_id, by=by)
        _require_status(merchant, Merchant.Status.SUSPENDED)
        return _advance(
            merchant,
            Merchant.Status.APPROVED,
            step=MerchantReview.Step.REINSTATED,
            by=by,
            reason=_required(reason),
        )


def close_merchant(*, merchant_id: str, by: User, reason: str) -> Merchant:
    """For good."""
    with transaction.atomic():
        merchant = _lock_for_review(merchant_id, by=by)
        return _advance(
            merchant, Merchant.Status.CLOSED, step=MerchantReview.Step.CLOSED, by=by, reason=_required(reason)
        )


def lock_merchant(merchant_id: str) -> Merchant:
    merchant = Merchant.objects.select_for_update(no_key=True).filter(id=merchant_id).first()
    if merchant is None:
        raise NotFound
    return merchant


def lock_open_application(merchant_id: str) -> Merchant:
    """ApplicationNotOpen unless it is the applicant's to change."""
    merchant = lock_merchant(merchant_id)
    if merchant.status not in OPEN_STATUSES:
        raise ApplicationNotOpen(status=merchant.status)
    return merchant


def _lock_for_review(merchant_id: str, *, by: User) -> Merchant:
    """Nobody decides about a business of their own."""
    merchant = lock_merchant(merchant_id)
    if MerchantMember.objects.filter(merchant=merchant, user=by).exists():
        raise ReviewOfOwnMerchant
    return merchant


def _require_status(merchant: Merchant, status: str) -> None:
    """Two ways lead to "approved", and each starts elsewhere."""
    if merchant.status != status:
        raise IllegalTransition(object="merchant", source=merchant.status, target=str(Merchant.Status.APPROVED))


def _advance(
    merchant: Merchant,
    target: str,
    *,
    step: MerchantReview.Step,
    by: User,
    reason: str = "",
    notes: Sequence[ItemNote] = (),
) -> Merchant:
    MERCHANT_STATES.require(merchant.status, target)
    merchant.status = target
    merchant.save(update_fields=["status", "updated_at"])
    review = MerchantReview.objects.create(
        merchant=merchant, step=step, by=by, reason=reason, notes=[asdict(note) for note in notes]
    )
    publish(MerchantStatusChanged(merchant.id, status=str(target), by=by.id, reason=reason[:300], review_id=review.id))
    return merchant


def _fill_in(merchant: Merchant, details: BusinessDetails) -> None:
    Money(0, details.home_currency)
    for name, value in asdict(details).items():
        setattr(merchant, name, value)


def _required(reason: str) -> str:
    if not reason.strip():
        raise ReasonNeeded
    return reason.strip()[:2000]
