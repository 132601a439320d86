"""Addresses in lists: enough to recognize somebody one looks for, too little to copy a list of people."""

from accounts.models import User


def masked_email(email: str | None) -> str:
    """``ada.lovelace@example.com`` → ``a…e@example.com``."""
    if not email:
        return ""
    name, _at, host = email.partition("@")
    return f"{name[0]}…{name[-1]}@{host}" if len(name) > 2 else f"…@{host}"


def masked_phone(phone: str | None) -> str:
    """``+33123456789`` → ``+33…89``."""
    return f"{phone[:3]}…{phone[-2:]}" if phone else ""


def short_name_of(user: User) -> str:
    return masked_email(user.email) or masked_phone(user.phone) or user.pk
