"""What can happen to a profile. Signing in is allauth's; identity, consents, data and leaving have folders."""

from accounts.models import User


def update_profile(
    user: User,
    *,
    name: str | None = None,
    locale: str | None = None,
    currency: str | None = None,
    avatar_url: str | None = None,
) -> User:
    """Change what is given and nothing else; two parallel changes of different fields both stay."""
    changes = {"name": name, "locale": locale, "currency": currency, "avatar_url": avatar_url}
    given = {field: value for field, value in changes.items() if value is not None}
    for field, value in given.items():
        setattr(user, field, value)
    if given:
        user.save(update_fields=list(given))
    return user
