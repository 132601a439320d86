"""What people write and a stranger gets under our name leads nowhere."""

import re

_ENDS = "com|net|org|info|biz|io|co|app|dev|me|cn|ru|top|xyz|shop|site|online|link|cc|tk"
_ADDRESS = re.compile(rf"://|www\.|\b[\w-]+\.(?:{_ENDS})\b|\b[\w-]+\.[a-z]{{2,24}}/", re.IGNORECASE)


def leads_somewhere(text: str) -> bool:
    """Whether a mail program could make a link of it."""
    return _ADDRESS.search(text) is not None


def name_for_strangers(name: str) -> str:
    """Empty for a name that is an advertisement."""
    return "" if leads_somewhere(name) else name
