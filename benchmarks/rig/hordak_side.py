"""Run by a Python that has django-hordak 2.0, never by the project's: posts events of four legs and reports as JSON.

``python hordak_side.py prepare|post SECONDS``, with DATABASE_URL naming a database of its own.
"""

import json
import os
import sys
import time
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings


def configure() -> None:
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mptt", "djmoney", "hordak"],
        DATABASES={"default": database},
        DEFAULT_CURRENCY="USD",
        CURRENCIES=["USD"],
        HORDAK_INTERNAL_CURRENCY="USD",
        USE_TZ=True,
    )
    django.setup()


def prepare() -> None:
    from django.core.management import call_command
    from hordak.models import Account

    call_command("migrate", verbosity=0)
    for number, (name, kind) in enumerate((("gateway", "AS"), ("merchant", "LI"), ("cost", "EX"), ("fees", "IN"))):
        Account.objects.create(name=name, type=kind, code=str(number + 1), currencies=["USD"])


def post(seconds: float) -> None:
    from django.db import transaction
    from hordak.models import Account, Leg, Transaction
    from moneyed import Money

    gateway, merchant, cost, fees = Account.objects.order_by("code")
    whole, part = Money("19.99", "USD"), Money("0.88", "USD")

    def event() -> None:
        with transaction.atomic():
            entry = Transaction.objects.create(description="benchmark")
            Leg.objects.create(transaction=entry, account=gateway, debit=whole)
            Leg.objects.create(transaction=entry, account=merchant, credit=whole)
            Leg.objects.create(transaction=entry, account=cost, debit=part)
            Leg.objects.create(transaction=entry, account=fees, credit=part)

    event()
    operations, own, started = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - started < seconds:
        event()
        operations += 1
    json.dump(
        {"operations": operations, "wall": time.perf_counter() - started, "cpu": time.process_time() - own}, sys.stdout
    )


if __name__ == "__main__":
    configure()
    if sys.argv[1] == "prepare":
        prepare()
    else:
        post(float(sys.argv[2]))
