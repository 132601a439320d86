"""Changing what is for sale. Versions and prices are added, never edited; nothing is deleted, and what members bought
goes on."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from memberships.catalogue.freshness import touch_everybody
from memberships.catalogue.known import forget_catalogue
from memberships.models import Feature, Plan, PlanVersion, Price
from paycore.errors import Conflict, NotFound, PaycoreError
from paycore.money import InvalidAmount, Money

MOST_SEATS = 10_000
MOST_OF_A_FEATURE = 10**12
MOST_MINOR = 10**13


class UnknownFeature(PaycoreError):
    code, http_status = "unknown_feature", 400
    title = _("There is no such feature in use.")


class InvalidTerms(PaycoreError):
    code, http_status = "invalid_terms", 400
    title = _("These terms are not possible.")


class VersionUnchanged(Conflict):
    code = "version_unchanged"
    title = _("The newest version already says exactly this.")


class PlanArchived(Conflict):
    code = "plan_archived"
    title = _("The plan is archived. Restore it first.")


class AnotherPriceOnSale(Conflict):
    code = "another_price_on_sale"
    title = _("Another price of this plan is on sale for the same interval and currency.")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a version gives: feature code → how much of it, None for without limit (a switch has no other value)."""

    features: Mapping[str, int | None]
    seats_included: int = 1
    seats_most: int = 1


@dataclass(frozen=True, slots=True)
class Offer:
    """The terms of a new price; ``setup_fee`` and ``seat_amount`` None for nothing."""

    amount: Money
    interval: str = Price.Interval.MONTH
    interval_count: int = 1
    trial_days: int = 0
    setup_fee: Money | None = None
    seat_amount: Money | None = None
    is_tax_inclusive: bool = True


def publish_version(plan_id: str, terms: Terms) -> PlanVersion:
    """The plan gives this from now on; who paid for a period under an older version keeps the better of both until it
    ends. NotFound, UnknownFeature, InvalidTerms, VersionUnchanged."""
    _check_terms(terms)
    with transaction.atomic():
        plan = _locked_plan(plan_id)
        newest = plan.versions.order_by("-number").first()
        if newest is not None and _says(newest, terms):
            raise VersionUnchanged
        made = PlanVersion.objects.create(
            plan=plan,
            number=newest.number + 1 if newest else 1,
            features=dict(sorted(terms.features.items())),
            seats_included=terms.seats_included,
            seats_most=terms.seats_most,
        )
        touch_everybody()
        transaction.on_commit(forget_catalogue)
    return made


def add_price(plan_id: str, offer: Offer) -> Price:
    """On sale from now on, in the place of the one of the same interval and currency; who bought that one keeps it.
    NotFound, PlanArchived, InvalidTerms, InvalidAmount, CurrencyMismatch."""
    _check_offer(offer)
    with transaction.atomic():
        plan = _locked_plan(plan_id)
        if plan.archived_at is not None:
            raise PlanArchived
        same = {"currency": offer.amount.currency, "interval": offer.interval, "interval_count": offer.interval_count}
        plan.prices.filter(is_active=True, **same).update(is_active=False)
        made = Price.objects.create(
            plan=plan,
            amount_minor=offer.amount.minor,
            trial_days=offer.trial_days,
            setup_fee_minor=offer.setup_fee.minor if offer.setup_fee else 0,
            seat_amount_minor=offer.seat_amount.minor if offer.seat_amount else 0,
            is_tax_inclusive=offer.is_tax_inclusive,
            **same,
        )
        transaction.on_commit(forget_catalogue)
    return made


def archive_price(price_id: str) -> None:
    """Nobody can buy it any more; who bought it keeps it. Twice is once. NotFound."""
    if not Price.objects.filter(id=price_id).update(is_active=False):
        raise NotFound
    transaction.on_commit(forget_catalogue)


def restore_price(price_id: str) -> None:
    """On sale again. Twice is once. NotFound, PlanArchived, AnotherPriceOnSale."""
    price = Price.objects.filter(id=price_id).first()
    if price is None:
        raise NotFound
    try:
        with transaction.atomic():
            if _locked_plan(price.plan_id).archived_at is not None:
                raise PlanArchived
            Price.objects.filter(id=price_id).update(is_active=True)
    except IntegrityError as error:
        raise AnotherPriceOnSale from error
    transaction.on_commit(forget_catalogue)


def archive_plan(plan_id: str) -> None:
    """Not for sale and not shown; its members keep it and renew. Twice is once. NotFound."""
    with transaction.atomic():
        plan = _locked_plan(plan_id)
        if plan.archived_at is None:
            Plan.objects.filter(id=plan.id).update(is_active=False, archived_at=Now())
        touch_everybody()
        transaction.on_commit(forget_catalogue)


def restore_plan(plan_id: str) -> None:
    """For sale again, at the prices that were on sale. Twice is once. NotFound."""
    with transaction.atomic():
        plan = _locked_plan(plan_id)
        Plan.objects.filter(id=plan.id).update(is_active=True, archived_at=None)
        touch_everybody()
        transaction.on_commit(forget_catalogue)


def _locked_plan(plan_id: str) -> Plan:
    plan = Plan.objects.select_for_update(no_key=True).filter(id=plan_id).first()
    if plan is None:
        raise NotFound
    return plan


def _says(version: PlanVersion, terms: Terms) -> bool:
    seats = (version.seats_included, version.seats_most)
    return version.features == dict(terms.features) and seats == (terms.seats_included, terms.seats_most)


def _check_terms(terms: Terms) -> None:
    if not 1 <= terms.seats_included <= terms.seats_most <= MOST_SEATS:
        raise InvalidTerms(_("Seats: from 1 to 10000, and at least as many at most as are included."))
    kinds = dict(Feature.objects.filter(is_active=True, code__in=terms.features).values_list("code", "kind"))
    for code, limit in terms.features.items():
        if code not in kinds:
            raise UnknownFeature(feature=code[:40])
        if kinds[code] == Feature.Kind.SWITCH and limit is not None:
            raise InvalidTerms(_("A switch is on or absent: it has no number."), feature=code)
        if limit is not None and not 0 <= limit <= MOST_OF_A_FEATURE:
            raise InvalidTerms(_("A limit is a whole number, not negative."), feature=code)


def _check_offer(offer: Offer) -> None:
    if not offer.amount.is_positive:
        raise InvalidAmount(_("The amount must be more than nothing."))
    if max(one.minor for one in (offer.amount, offer.setup_fee, offer.seat_amount) if one) > MOST_MINOR:
        raise InvalidAmount(_("Nobody pays so much."))
    for extra in (offer.setup_fee, offer.seat_amount):
        if extra is not None and extra < Money.zero(offer.amount.currency):
            raise InvalidAmount(_("A fee is not negative."))
    if offer.interval not in Price.Interval.values or not 1 <= offer.interval_count <= 366:
        raise InvalidTerms(_("An interval is 1 to 366 days, weeks, months, quarters or years."))
    if not 0 <= offer.trial_days <= 730:
        raise InvalidTerms(_("A trial is at most 730 days."))
