"""What codes by SMS cost, and the switches that stop them."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, Sum
from django.db.models.functions import Now, TruncDay
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from paycore.money import Money
from paycore.notifications.models import SmsPause, SmsUsage
from paycore.sites import Card, Dashboard, ops_site, register_dashboard
from paycore.sites.read_only import ReadOnlyAdmin

_SHOWN_OF_A_DIGEST = 10


@admin.register(SmsUsage, site=ops_site)
class SmsUsageAdmin(ReadOnlyAdmin):
    list_display = ("scope", "whose", "window", "starts_at", "sent", "verified", "completion", "cost")
    list_filter = ("scope", "window_seconds", ("starts_at", admin.DateFieldListFilter))
    search_fields = ("key",)
    search_help_text = _("Prefix (+861381234) or country (CN)")
    ordering = ("-starts_at", "-sent")

    @display(description=_("Whose"), ordering="key")  # type: ignore[untyped-decorator]
    def whose(self, usage: SmsUsage) -> str:
        is_digest = usage.scope in {SmsUsage.Scope.NUMBER, SmsUsage.Scope.ADDRESS}
        return f"{usage.key[:_SHOWN_OF_A_DIGEST]}…" if is_digest else usage.key

    @display(description=_("Window"), ordering="window_seconds")  # type: ignore[untyped-decorator]
    def window(self, usage: SmsUsage) -> str:
        return gettext("Day") if usage.window_seconds == 86400 else gettext("%d min") % (usage.window_seconds // 60)

    @display(description=_("Typed in"))  # type: ignore[untyped-decorator]
    def completion(self, usage: SmsUsage) -> str:
        is_known = usage.sent and usage.scope in {SmsUsage.Scope.PREFIX, SmsUsage.Scope.COUNTRY}
        return f"{usage.verified * 100 // usage.sent} %" if is_known else "–"

    @display(description=_("Cost"), ordering="cost_minor")  # type: ignore[untyped-decorator]
    def cost(self, usage: SmsUsage) -> str:
        return _price(usage.cost_minor) if usage.cost_minor else "–"


@admin.register(SmsPause, site=ops_site)
class SmsPauseAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """Adding ``*`` is the kill switch; deleting a row lets messages out again."""

    list_display = ("target", "reason", "is_automatic", "created_at", "until")
    list_filter = ("is_automatic",)
    search_fields = ("target", "reason")
    search_help_text = _("Prefix, country or reason")
    ordering = ("-created_at",)
    fields = ("target", "reason", "until")


def sms_budget(request: HttpRequest) -> Dashboard:
    """What went out today, of how much, and whether anything is stopped."""
    if not request.user.has_perm("paycore.view_smsusage"):
        return Dashboard()
    today = SmsUsage.objects.filter(scope=SmsUsage.Scope.MONEY, starts_at__gte=TruncDay(Now()))
    total: dict[str, Any] = today.aggregate(cost=Sum("cost_minor"), sent=Sum("sent"))
    spent, limit = total["cost"] or 0, settings.PAYCORE_SMS_DAILY_BUDGET_MINOR
    stops = SmsPause.objects.filter(Q(until=None) | Q(until__gt=Now())).count()
    detail = gettext("of %(limit)s; %(count)d messages") % {"limit": _price(limit), "count": total["sent"] or 0}
    return Dashboard(
        cards=[
            Card(
                title=_("SMS today"),
                value=_price(spent),
                detail=detail,
                link=reverse("ops:paycore_smsusage_changelist"),
                tone="bad" if spent * 10 >= limit * 9 else "plain",
            ),
            Card(
                title=_("SMS stops"),
                value=str(stops),
                link=reverse("ops:paycore_smspause_changelist"),
                tone="warning" if stops else "good",
            ),
        ]
    )


def _price(minor: int) -> str:
    return Money(minor, settings.PAYCORE_SMS_BUDGET_CURRENCY).format(get_language() or "en")


register_dashboard(ops_site, sms_budget, place=91)
