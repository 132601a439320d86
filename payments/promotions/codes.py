"""Codes as people type them, and codes that nobody mistypes."""

import re
import unicodedata

from paycore.code_batches import chance_letters

ALPHABET = "ACDEFGHJKMNPQRTUVWXY34679"
"""Without what looks like something else: 0 O, 1 I L, 2 Z, 5 S, 8 B."""
LONGEST = 40
_PLAIN = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}\Z")
MOST_TYPED = 80


def normal_code(typed: str) -> str:
    """``" welcome 20 "`` → ``"WELCOME20"``; empty when it cannot be a code. Full-width letters of an Asian keyboard are
    what they look like; letters of other scripts that look alike are not."""
    if len(typed) > MOST_TYPED:
        return ""
    text = "".join(unicodedata.normalize("NFKC", typed).split())
    # Not upper() of everything: it would make plain letters of others' (ı, ſ).
    plain = text.upper() if text.isascii() else ""
    return plain if _PLAIN.match(plain) else ""


def made_up_code(*, prefix: str, length: int) -> str:
    """``prefix`` as it is, then ``length`` characters of chance: guessing one of
    100,000 with 10 of them takes a thousand million tries."""
    return prefix + chance_letters(alphabet=ALPHABET, length=length)
