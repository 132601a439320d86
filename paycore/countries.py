"""ISO 3166-1 countries, named in the visitor's language by CLDR."""

from functools import cache

from babel import Locale
from django.utils.translation import get_language, to_locale

# In CLDR's list, yet no country: unions, outlying groups, private use and the unknown one.
_NOT_COUNTRIES = frozenset({"CQ", "EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})

COUNTRIES = (
    frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha()) - _NOT_COUNTRIES
)


def country_choices() -> list[tuple[str, str]]:
    """``[("AF", "Afghanistan"), …]`` in the visitor's language, in its order of names."""
    return _choices(get_language() or "en")


@cache
def _choices(language: str) -> list[tuple[str, str]]:
    names = Locale.parse(to_locale(language)).territories
    return sorted(((code, str(names.get(code, code))) for code in COUNTRIES), key=lambda pair: pair[1])
