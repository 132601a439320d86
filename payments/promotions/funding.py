"""What the platform gives to a merchant whose price it lowered: booked once, taken back as the payer is refunded."""

from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from payments.promotions.models import FundingEntry, Promotion, Redemption


def fund(subject_id: str, *, captured: Money, returned: Money) -> int:
    """Bring the books to what they should say about ``subject_id`` (an order) now: of ``captured``, what the payer
    paid, ``returned`` went back by refunds and lost disputes, and with it the same share of what the platform added.
    In the running transaction; how many entries it took. Twice is once, in whatever order the news came.
    """
    uses = Redemption.objects.select_for_update(no_key=True, of=("self",)).filter(
        subject_id=subject_id, funded_by=Promotion.FundedBy.PLATFORM, amount_minor__gt=0, withdrawn_at__isnull=True
    )
    posted = 0
    for use in uses.order_by("promotion_id", "id"):
        last = FundingEntry.objects.filter(redemption=use).order_by("-id").first()
        paid_before = last.total_minor if last else 0
        due = _share(use.amount, captured=captured, returned=returned).minor
        if due != paid_before:
            _book(use, Money(due - paid_before, use.currency), total=due)
            posted += 1
    return posted


def _share(whole: Money, *, captured: Money, returned: Money) -> Money:
    """Half a unit rounds away from zero; nothing is left when everything went back."""
    if captured.minor <= 0:
        return Money.zero(whole.currency)
    kept = max(0, captured.minor - returned.minor)
    return Money((whole.minor * kept * 2 + captured.minor) // (2 * captured.minor), whole.currency)


def _book(use: Redemption, change: Money, *, total: int) -> None:
    entry = FundingEntry.objects.create(redemption=use, amount_minor=change.minor, total_minor=total)
    owner = chart.merchant_pending(use.merchant_id)
    leg = Leg(chart.EXPENSE_PROMOTIONS, owner, change)
    if change.is_negative:
        leg = Leg(owner, chart.EXPENSE_PROMOTIONS, -change)
    post(Entry("promotion", use.id, str(entry.id), [leg]))
