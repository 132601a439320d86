"""What the payer's browser says of itself: a hint, never a proof."""

import re
from dataclasses import dataclass

from django.http import HttpRequest

from paycore.countries import COUNTRIES

_PHONE = re.compile(r"Mobi|Android|iPhone|iPod", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Browser:
    """``region`` is a guess at the payer's country, from the languages they read; only for the order of things."""

    is_wechat: bool = False
    is_phone: bool = False
    region: str = ""


def browser_of(request: HttpRequest) -> Browser:
    agent = request.headers.get("User-Agent", "")[:1000]
    return Browser(
        is_wechat="MicroMessenger" in agent,
        is_phone=bool(_PHONE.search(agent)),
        region=_region(request.headers.get("Accept-Language", "")),
    )


def _region(accept: str) -> str:
    for tag in accept[:500].split(","):
        for part in tag.partition(";")[0].strip().split("-")[1:]:
            if part.upper() in COUNTRIES and len(part) == 2:
                return part.upper()
    return ""
