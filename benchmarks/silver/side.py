"""Run by a Python that has django-silver 0.11, never by the project's: bills subscriptions and reports as JSON.

Reads lines from standard input, each answered by one: a number of subscriptions to make, then, for each further line, a
month (``2026-01-01``) for which every one of them is billed. DATABASE_URL names a database of its own.
"""

import json
import os
import sys
import time
from datetime import date
from typing import Any
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
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "silver"],
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        PAYMENT_PROCESSORS={"manual": {"class": "silver.models.payment_processors.manual.ManualProcessor"}},
        SILVER_PAYMENT_TOKEN_EXPIRATION=None,
        PAYMENT_METHOD_SECRET="x" * 44,
        SILVER_DEFAULT_DUE_DAYS=5,
        SILVER_DOCUMENT_PREFIX="documents/",
        SILVER_SHOW_PDF_STORAGE_URL=False,
        SILVER_AUTOMATICALLY_CREATE_TRANSACTIONS=False,
        SECRET_KEY="benchmark",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        USE_TZ=True,
    )
    django.setup()


def make(count: int) -> dict[str, Any]:
    from django.core.management import call_command
    from silver.models import Customer, Plan, ProductCode, Provider, Subscription

    call_command("migrate", verbosity=0)
    who = {"address_1": "1 Street", "city": "Town", "country": "US", "company": "Paycore"}
    provider = Provider.objects.create(
        name="Paycore", flow="invoice", invoice_series="PC", invoice_starting_number=1, default_document_state="issued",
        **who,
    )  # fmt: skip
    plan = Plan.objects.create(
        name="Premium", interval="month", interval_count=1, amount="19.99", currency="USD", generate_after=0,
        provider=provider, product_code=ProductCode.objects.create(value="premium"), enabled=True,
        prebill_plan=True,
    )  # fmt: skip
    for number in range(count):
        customer = Customer.objects.create(
            first_name="M", last_name=str(number), payment_due_days=5, consolidated_billing=False, currency="USD", **who
        )
        subscription = Subscription.objects.create(
            plan=plan, customer=customer, start_date=date(2024, 1, 1), description="Premium"
        )
        subscription.activate(start_date=date(2024, 1, 1))
        subscription.save()
    return {"django": django.get_version(), "subscriptions": count}


def bill(month: date) -> dict[str, float]:
    from silver.documents_generator import DocumentsGenerator
    from silver.models import Invoice

    before = Invoice.objects.count()
    cpu, started = time.process_time(), time.perf_counter()
    DocumentsGenerator().generate(billing_date=month)
    report = {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    return report | {"operations": Invoice.objects.filter(state="issued").count() - before}


if __name__ == "__main__":
    configure()
    print(json.dumps(make(int(sys.stdin.readline()))), flush=True)
    for line in sys.stdin:
        print(json.dumps(bill(date.fromisoformat(line.strip()))), flush=True)
