"""Sign-ups whose code was never typed in: nobody's accounts, forgotten after a day."""

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from accounts.models import User

KEEP = timedelta(days=1)


def forget_unfinished(*, limit: int = 500) -> int:
    """Delete at most ``limit`` of them; how many. Whoever staff made or anything refers to stays."""
    addresses = EmailAddress.objects.filter(user_id=OuterRef("pk"))
    unfinished = User.objects.filter(
        Q(email=None) | Exists(addresses),  # an account that staff made has an address and no row of allauth's
        ~Exists(addresses.filter(verified=True)),
        last_login=None,
        is_staff=False,
        phone_verified_at=None,
        erased_at=None,
        date_joined__lt=Now() - KEEP,
    )
    return sum(_forget(user_id) for user_id in unfinished.values_list("pk", flat=True)[:limit])


def _forget(user_id: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # Under the lock: who has just signed in after all keeps the address.
            if not User.objects.select_for_update().filter(pk=user_id, last_login=None).exists():
                return False
            EmailAddress.objects.filter(user_id=user_id).delete()
            # Not through the ORM, which would take along whatever refers to the person.
            cursor.execute("DELETE FROM accounts_user WHERE id = %s", [user_id])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except IntegrityError:
        return False
    return True
