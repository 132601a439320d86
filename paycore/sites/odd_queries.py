"""Addresses that nobody clicks together and the database would answer with an error."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.http import HttpRequest

from paycore.middleware import NulNotAllowed

# Django's list pages take any lookup on a field of their own. A pattern may be none, or keep PostgreSQL
# busy for minutes; a part of a date may be a number that no date has.
_REFUSED_LOOKUPS = frozenset(
    ("regex", "iregex", "year", "iso_year", "quarter", "month", "week", "week_day", "iso_week_day", "day")
)


def refuse_odd_query(request: HttpRequest, options: Mapping[str, Any]) -> None:
    """Raises 400 for a NUL in query, path (``options``) or selection, and for a lookup that no list offers."""
    sent = [text for name, values in request.GET.lists() for text in (name, *values)]
    selected = request.POST.getlist("_selected_action")
    if any("\0" in text for text in (*sent, *selected, *map(str, options.values()))):
        raise NulNotAllowed
    for name in request.GET:
        _field, separator, lookup = name.rpartition("__")
        if separator and lookup in _REFUSED_LOOKUPS:
            raise DisallowedModelAdminLookup(f"no list is looked up by {lookup}")
