"""Tables on the pages of promotions, and the charts of their use."""

from collections.abc import Sequence
from datetime import date

from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from paycore.clock import now
from paycore.sites import Chart, Dashboard, Series
from paycore.sites.pages import Panel, moment
from payments.admin.columns import money, object_link, page_link, state_label
from payments.promotions.models import Promotion, Redemption
from payments.promotions.queries import given_by_currency, uses_by_day

DAYS = 30
NEWEST = 20


def what_it_gives(promotion: Promotion) -> str:
    """``20%``, ``5.00 USD, 4.50 EUR``, ``14 days``."""
    if promotion.kind == Promotion.Kind.PERCENT:
        return f"{promotion.percent_basis_points / 100:g} %"
    if promotion.kind == Promotion.Kind.FREE_DAYS:
        return gettext("%(days)s days") % {"days": promotion.free_days}
    return ", ".join(money(int(minor), currency) for currency, minor in promotion.amounts.items())


def uses_so_far(promotion: Promotion) -> str:
    return f"{promotion.used} / {promotion.max_uses}" if promotion.max_uses is not None else str(promotion.used)


def budget_so_far(promotion: Promotion) -> str:
    if promotion.budget_minor is None:
        return "–"
    taken = money(promotion.reserved_minor, promotion.budget_currency)
    return f"{taken} / {money(promotion.budget_minor, promotion.budget_currency)}"


def codes_panel(promotion: Promotion, *, site: str) -> Panel:
    rows = [
        (
            page_link(site, "payments_promotioncode", code.id, text=code.code),
            _yes_no(is_yes=code.is_enabled),
            f"{code.used} / {code.max_uses}" if code.max_uses is not None else code.used,
            moment(code.expires_at),
        )
        for code in promotion.codes.filter(batch__isnull=True).order_by("-id")[:NEWEST]
    ]
    headers = (_("Code"), _("Enabled"), _("Uses"), _("Expires"))
    return Panel(title=_("Codes"), headers=headers, rows=rows, empty=_("No code yet: nobody can use it."))


def batches_panel(promotion: Promotion, *, site: str) -> Panel:
    rows = [
        (
            page_link(site, "payments_codebatch", batch.id),
            state_label(batch.status, batch.get_status_display()),
            f"{batch.made} / {batch.wanted}",
            batch.note or "–",
            moment(batch.created_at),
        )
        for batch in promotion.batches.order_by("-id")[:NEWEST]
    ]
    headers = (_("Batch"), _("Status"), _("Codes"), _("Note"), _("Created"))
    return Panel(title=_("Batches of codes"), headers=headers, rows=rows, numbers={2})


def uses_panel(uses: "QuerySet[Redemption]", *, site: str) -> Panel:
    rows = [
        (
            page_link(site, "payments_redemption", use.id),
            state_label(use.status, use.get_status_display()),
            use.code.code,
            object_link(site, use.subject_id) if site == "ops" or use.subject_id.startswith("ord_") else use.subject_id,
            money(use.given_minor, use.currency),
            moment(use.taken_at),
        )
        for use in uses.select_related("code").order_by("-id")[:NEWEST]
    ]
    headers = (_("Use"), _("Status"), _("Code"), _("For"), _("Taken off in all"), _("Taken"))
    return Panel(title=_("Uses"), headers=headers, rows=rows, numbers={4}, note=_summed(uses))


def days_panel(uses: "QuerySet[Redemption]") -> Panel:
    """The last days on which anything happened."""
    by_day = uses_by_day(uses, today=now().date(), days=DAYS)
    rows = [(day.isoformat(), kept, back) for day, (kept, back) in sorted(by_day.items(), reverse=True) if kept or back]
    headers = (_("Day (UTC)"), _("Uses"), _("Given back"))
    return Panel(title=_("Use by day"), headers=headers, rows=rows, numbers={1, 2})


def use_charts(uses: "QuerySet[Redemption]") -> Dashboard:
    """For a console's first page; nothing while no promotion was used."""
    by_day = uses_by_day(uses, today=now().date(), days=DAYS)
    if not any(kept or back for kept, back in by_day.values()):
        return Dashboard()
    days: Sequence[date] = sorted(by_day)
    kept = Series(gettext("Uses"), [by_day[day][0] for day in days])
    back = Series(gettext("Given back"), [by_day[day][1] for day in days])
    labels = [day.strftime("%m-%d") for day in days]
    return Dashboard(charts=[Chart(title=gettext("Promotions used"), labels=labels, series=[kept, back])])


def _summed(uses: "QuerySet[Redemption]") -> str:
    given = [money(minor, currency) for currency, minor in sorted(given_by_currency(uses).items())]
    return gettext("Taken off in all: %(amounts)s") % {"amounts": ", ".join(given)} if given else ""


def _yes_no(*, is_yes: bool) -> str:
    return gettext("Yes") if is_yes else gettext("No")
