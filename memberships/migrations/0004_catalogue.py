import django.contrib.postgres.constraints
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import memberships.models.subscriptions
import paycore.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("memberships", "0003_grants"),
        ("payments", "0012_kernel"),
        ("pghistory", "0007_auto_20250421_0444"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Feature",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="ftr", primary_key=True, serialize=False
                    ),
                ),
                ("code", models.SlugField(max_length=40, unique=True, verbose_name="code")),
                ("name_en", models.CharField(max_length=80, verbose_name="name (English)")),
                ("name_zh", models.CharField(max_length=80, verbose_name="name (Chinese)")),
                (
                    "kind",
                    models.CharField(
                        choices=[("switch", "On or off"), ("limit", "So many at once"), ("metered", "So many uses")],
                        default="metered",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                (
                    "reset",
                    models.CharField(
                        choices=[
                            ("never", "Never"),
                            ("period", "With every paid period"),
                            ("month", "Every month"),
                            ("day", "Every day"),
                        ],
                        default="period",
                        max_length=8,
                        verbose_name="counter starts anew",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="in use")),
            ],
            options={
                "verbose_name": "feature",
                "verbose_name_plural": "features",
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="FeatureEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="ftr", primary_key=False, serialize=False
                    ),
                ),
                ("code", models.SlugField(db_index=False, max_length=40, verbose_name="code")),
                ("name_en", models.CharField(max_length=80, verbose_name="name (English)")),
                ("name_zh", models.CharField(max_length=80, verbose_name="name (Chinese)")),
                (
                    "kind",
                    models.CharField(
                        choices=[("switch", "On or off"), ("limit", "So many at once"), ("metered", "So many uses")],
                        default="metered",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                (
                    "reset",
                    models.CharField(
                        choices=[
                            ("never", "Never"),
                            ("period", "With every paid period"),
                            ("month", "Every month"),
                            ("day", "Every day"),
                        ],
                        default="period",
                        max_length=8,
                        verbose_name="counter starts anew",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="in use")),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="inv", primary_key=True, serialize=False
                    ),
                ),
                ("number", models.CharField(max_length=32, unique=True, verbose_name="number")),
                (
                    "kind",
                    models.CharField(
                        choices=[("start", "Start"), ("renewal", "Renewal"), ("change", "Change"), ("gift", "Gift")],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("paid", "Paid"),
                            ("void", "Void"),
                            ("uncollectible", "Not collectible"),
                        ],
                        default="open",
                        max_length=13,
                        verbose_name="status",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("subtotal_minor", models.BigIntegerField(verbose_name="subtotal (minor units)")),
                ("discount_minor", models.BigIntegerField(default=0, verbose_name="discount (minor units)")),
                ("tax_minor", models.BigIntegerField(default=0, verbose_name="tax (minor units)")),
                ("total_minor", models.BigIntegerField(verbose_name="total (minor units)")),
                ("credit_minor", models.BigIntegerField(default=0, verbose_name="credit used (minor units)")),
                ("due_minor", models.BigIntegerField(verbose_name="due (minor units)")),
                ("lines", models.JSONField(default=list, verbose_name="lines")),
                ("taxes", models.JSONField(blank=True, default=list, verbose_name="taxes")),
                ("country", models.CharField(blank=True, default="", max_length=2, verbose_name="country")),
                ("language", models.CharField(default="en", max_length=12, verbose_name="language")),
                ("issued_at", models.DateTimeField(verbose_name="issued")),
                ("paid_at", models.DateTimeField(blank=True, null=True, verbose_name="paid")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="changed"),
                ),
                ("version", models.IntegerField(default=1, verbose_name="version")),
            ],
            options={
                "verbose_name": "invoice",
                "verbose_name_plural": "invoices",
            },
        ),
        migrations.CreateModel(
            name="NumberSeries",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=12, verbose_name="kind")),
                ("prefix", models.CharField(max_length=12, verbose_name="prefix")),
                ("last_number", models.BigIntegerField(default=0, verbose_name="last number")),
            ],
            options={
                "verbose_name": "number series",
                "verbose_name_plural": "number series",
            },
        ),
        migrations.CreateModel(
            name="Period",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="per", primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("trial", "Trial"),
                            ("paid", "Paid"),
                            ("bonus", "Given"),
                            ("store", "Sold by a store"),
                        ],
                        default="paid",
                        max_length=6,
                        verbose_name="kind",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Waiting for money"),
                            ("paid", "Paid"),
                            ("void", "Never paid"),
                            ("revoked", "Revoked"),
                        ],
                        default="open",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("quantity", models.PositiveIntegerField(default=1, verbose_name="seats")),
                ("starts_at", models.DateTimeField(verbose_name="starts")),
                ("ends_at", models.DateTimeField(verbose_name="ends")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="changed"),
                ),
                ("version", models.IntegerField(default=1, verbose_name="version")),
            ],
            options={
                "verbose_name": "membership period",
                "verbose_name_plural": "membership periods",
            },
        ),
        migrations.CreateModel(
            name="PlanVersion",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="plv", primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="version")),
                (
                    "features",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Feature code → limit; null is without limit.",
                        verbose_name="features",
                    ),
                ),
                ("seats_included", models.PositiveIntegerField(default=1, verbose_name="seats included")),
                ("seats_most", models.PositiveIntegerField(default=1, verbose_name="most seats")),
                (
                    "published_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="published"
                    ),
                ),
            ],
            options={
                "verbose_name": "plan version",
                "verbose_name_plural": "plan versions",
                "ordering": ("plan", "-number"),
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="sub", primary_key=True, serialize=False
                    ),
                ),
                (
                    "rail",
                    models.CharField(
                        choices=[("web", "Web"), ("app_store", "App Store"), ("google_play", "Google Play")],
                        default="web",
                        max_length=12,
                        verbose_name="sold by",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("incomplete", "Waiting for the first payment"),
                            ("scheduled", "Starts later"),
                            ("trialing", "Trial"),
                            ("active", "Active"),
                            ("past_due", "Payment overdue, access goes on"),
                            ("suspended", "Suspended"),
                            ("paused", "Paused"),
                            ("ended", "Ended"),
                        ],
                        default="incomplete",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("quantity", models.PositiveIntegerField(default=1, verbose_name="seats")),
                ("currency", models.CharField(blank=True, default="", max_length=3, verbose_name="currency")),
                ("country", models.CharField(blank=True, default="", max_length=2, verbose_name="country")),
                ("time_zone", models.CharField(default="UTC", max_length=64, verbose_name="time zone")),
                ("anchor_at", models.DateTimeField(blank=True, null=True, verbose_name="anchor")),
                ("period_number", models.PositiveIntegerField(default=0, verbose_name="number of the period")),
                ("period_started_at", models.DateTimeField(blank=True, null=True, verbose_name="period started")),
                ("period_ends_at", models.DateTimeField(blank=True, null=True, verbose_name="period ends")),
                ("starts_at", models.DateTimeField(blank=True, null=True, verbose_name="starts")),
                ("trial_ends_at", models.DateTimeField(blank=True, null=True, verbose_name="trial ends")),
                ("cancel_at_period_end", models.BooleanField(default=False, verbose_name="ends with the period")),
                ("canceled_at", models.DateTimeField(blank=True, null=True, verbose_name="canceled")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("end_reason", models.CharField(blank=True, default="", max_length=40, verbose_name="why it ended")),
                ("paused_at", models.DateTimeField(blank=True, null=True, verbose_name="paused")),
                ("resumes_at", models.DateTimeField(blank=True, null=True, verbose_name="goes on")),
                (
                    "unused_seconds",
                    models.BigIntegerField(default=0, verbose_name="paid time left when paused (seconds)"),
                ),
                ("next_quantity", models.PositiveIntegerField(blank=True, null=True, verbose_name="next seats")),
                (
                    "collection",
                    models.CharField(
                        choices=[("method", "Saved payment method"), ("wallet", "Wallet"), ("link", "Payment link")],
                        default="link",
                        max_length=8,
                        verbose_name="collected by",
                    ),
                ),
                ("credit_minor", models.BigIntegerField(default=0, verbose_name="credit (minor units)")),
                ("past_due_since", models.DateTimeField(blank=True, null=True, verbose_name="overdue since")),
                ("grace_until", models.DateTimeField(blank=True, null=True, verbose_name="grace until")),
                (
                    "retries",
                    models.PositiveSmallIntegerField(default=0, verbose_name="attempts to collect that failed"),
                ),
                ("failure_code", models.CharField(blank=True, default="", max_length=64, verbose_name="last failure")),
                (
                    "store_reference",
                    models.CharField(blank=True, default="", max_length=256, verbose_name="store's reference"),
                ),
                ("due_at", models.DateTimeField(blank=True, null=True, verbose_name="next step")),
                ("notice_at", models.DateTimeField(blank=True, null=True, verbose_name="next notice")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="changed"),
                ),
                ("version", models.IntegerField(default=1, verbose_name="version")),
            ],
            options={
                "verbose_name": "subscription",
                "verbose_name_plural": "subscriptions",
            },
        ),
        migrations.CreateModel(
            name="SubscriptionChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=24, verbose_name="what")),
                ("status", models.CharField(max_length=10, verbose_name="status afterwards")),
                ("by", models.CharField(max_length=40, verbose_name="by")),
                ("reason", models.CharField(blank=True, default="", max_length=300, verbose_name="why")),
                ("details", models.JSONField(blank=True, default=dict, verbose_name="details")),
                ("happened_at", models.DateTimeField(verbose_name="when")),
            ],
            options={
                "verbose_name": "change of a subscription",
                "verbose_name_plural": "changes of subscriptions",
            },
        ),
        migrations.CreateModel(
            name="Tier",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="tie", primary_key=True, serialize=False
                    ),
                ),
                ("code", models.SlugField(max_length=40, unique=True, verbose_name="code")),
                ("name_en", models.CharField(max_length=60, verbose_name="name (English)")),
                ("name_zh", models.CharField(max_length=60, verbose_name="name (Chinese)")),
                ("rank", models.PositiveSmallIntegerField(unique=True, verbose_name="rank")),
            ],
            options={
                "verbose_name": "tier",
                "verbose_name_plural": "tiers",
                "ordering": ("rank",),
            },
        ),
        migrations.CreateModel(
            name="TierEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="tie", primary_key=False, serialize=False
                    ),
                ),
                ("code", models.SlugField(db_index=False, max_length=40, verbose_name="code")),
                ("name_en", models.CharField(max_length=60, verbose_name="name (English)")),
                ("name_zh", models.CharField(max_length=60, verbose_name="name (Chinese)")),
                ("rank", models.PositiveSmallIntegerField(verbose_name="rank")),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.AlterModelOptions(
            name="grant",
            options={"verbose_name": "grant", "verbose_name_plural": "grants"},
        ),
        migrations.AlterModelOptions(
            name="plan",
            options={"ordering": ("tier__rank", "code"), "verbose_name": "plan", "verbose_name_plural": "plans"},
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="plan",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="plan",
            name="update_update",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="price",
            name="fixed_terms",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="price",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="price",
            name="update_update",
        ),
        migrations.RemoveConstraint(
            model_name="price",
            name="price_one_active_per_currency",
        ),
        migrations.RemoveField(
            model_name="planevent",
            name="features",
        ),
        migrations.RemoveField(
            model_name="planevent",
            name="rank",
        ),
        migrations.AddField(
            model_name="plan",
            name="archived_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="archived"),
        ),
        migrations.AddField(
            model_name="planevent",
            name="archived_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="archived"),
        ),
        migrations.AddField(
            model_name="price",
            name="interval",
            field=models.CharField(
                choices=[
                    ("day", "day"),
                    ("week", "week"),
                    ("month", "month"),
                    ("quarter", "quarter"),
                    ("year", "year"),
                ],
                default="month",
                max_length=8,
                verbose_name="interval",
            ),
        ),
        migrations.AddField(
            model_name="price",
            name="interval_count",
            field=models.PositiveSmallIntegerField(default=1, verbose_name="intervals at once"),
        ),
        migrations.AddField(
            model_name="price",
            name="is_tax_inclusive",
            field=models.BooleanField(default=True, verbose_name="tax is included"),
        ),
        migrations.AddField(
            model_name="price",
            name="seat_amount_minor",
            field=models.BigIntegerField(default=0, verbose_name="each seat more (minor units)"),
        ),
        migrations.AddField(
            model_name="price",
            name="setup_fee_minor",
            field=models.BigIntegerField(default=0, verbose_name="set-up fee (minor units)"),
        ),
        migrations.AddField(
            model_name="price",
            name="trial_days",
            field=models.PositiveSmallIntegerField(default=0, verbose_name="trial (days)"),
        ),
        migrations.AddField(
            model_name="priceevent",
            name="interval",
            field=models.CharField(
                choices=[
                    ("day", "day"),
                    ("week", "week"),
                    ("month", "month"),
                    ("quarter", "quarter"),
                    ("year", "year"),
                ],
                default="month",
                max_length=8,
                verbose_name="interval",
            ),
        ),
        migrations.AddField(
            model_name="priceevent",
            name="interval_count",
            field=models.PositiveSmallIntegerField(default=1, verbose_name="intervals at once"),
        ),
        migrations.AddField(
            model_name="priceevent",
            name="is_tax_inclusive",
            field=models.BooleanField(default=True, verbose_name="tax is included"),
        ),
        migrations.AddField(
            model_name="priceevent",
            name="seat_amount_minor",
            field=models.BigIntegerField(default=0, verbose_name="each seat more (minor units)"),
        ),
        migrations.AddField(
            model_name="priceevent",
            name="setup_fee_minor",
            field=models.BigIntegerField(default=0, verbose_name="set-up fee (minor units)"),
        ),
        migrations.AddField(
            model_name="priceevent",
            name="trial_days",
            field=models.PositiveSmallIntegerField(default=0, verbose_name="trial (days)"),
        ),
        migrations.AlterField(
            model_name="grant",
            name="id",
            field=paycore.identifiers.PrefixedIdField(editable=False, prefix="grt", primary_key=True, serialize=False),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(fields=["user", "ends_at"], name="grant_by_user"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="grant",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="17a634eccc3121e54557364c6dbc9f1819cc8509",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_76035",
                    table="memberships_grant",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="plan",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="87a4e2b441e8ab37e4f0a54572e4c61841f586d5",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_2ba7e",
                    table="memberships_plan",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="plan",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_planevent" ("archived_at", "code", "id", "is_active", "name_en", "name_zh", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier_id") VALUES (NEW."archived_at", NEW."code", NEW."id", NEW."is_active", NEW."name_en", NEW."name_zh", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."tier_id"); RETURN NULL;',
                    hash="98c72cc6fa0449ee42f9c85f6d8cfd80d663f94f",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_9ddcb",
                    table="memberships_plan",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="plan",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "memberships_planevent" ("archived_at", "code", "id", "is_active", "name_en", "name_zh", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier_id") VALUES (NEW."archived_at", NEW."code", NEW."id", NEW."is_active", NEW."name_en", NEW."name_zh", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."tier_id"); RETURN NULL;',
                    hash="efc84e84faf4912d658be7398260277cc7345fda",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_d698c",
                    table="memberships_plan",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="price",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="8cb1247cc3828ce16fa26b7af50c91a5021786fd",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_adb05",
                    table="memberships_price",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="price",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."interval" IS DISTINCT FROM (NEW."interval") OR OLD."interval_count" IS DISTINCT FROM (NEW."interval_count") OR OLD."trial_days" IS DISTINCT FROM (NEW."trial_days") OR OLD."setup_fee_minor" IS DISTINCT FROM (NEW."setup_fee_minor") OR OLD."seat_amount_minor" IS DISTINCT FROM (NEW."seat_amount_minor") OR OLD."is_tax_inclusive" IS DISTINCT FROM (NEW."is_tax_inclusive"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="6a12f4f62c05e91c99baaf008d569baa0bdc9633",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_52901",
                    table="memberships_price",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="price",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_priceevent" ("amount_minor", "created_at", "currency", "id", "interval", "interval_count", "is_active", "is_tax_inclusive", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "seat_amount_minor", "setup_fee_minor", "trial_days") VALUES (NEW."amount_minor", NEW."created_at", NEW."currency", NEW."id", NEW."interval", NEW."interval_count", NEW."is_active", NEW."is_tax_inclusive", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."plan_id", NEW."seat_amount_minor", NEW."setup_fee_minor", NEW."trial_days"); RETURN NULL;',
                    hash="38e95608c80e0530fdf4b9ba0ea051398c78e4d6",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_15602",
                    table="memberships_price",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="price",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "memberships_priceevent" ("amount_minor", "created_at", "currency", "id", "interval", "interval_count", "is_active", "is_tax_inclusive", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "seat_amount_minor", "setup_fee_minor", "trial_days") VALUES (NEW."amount_minor", NEW."created_at", NEW."currency", NEW."id", NEW."interval", NEW."interval_count", NEW."is_active", NEW."is_tax_inclusive", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plan_id", NEW."seat_amount_minor", NEW."setup_fee_minor", NEW."trial_days"); RETURN NULL;',
                    hash="0e853f963d77c155d421d7a07e6a6a4a53b0ed6b",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_17904",
                    table="memberships_price",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="grant_forward"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("revoked_at__isnull", True)),
                expressions=[
                    ("user", "="),
                    ("plan", "="),
                    (memberships.models.subscriptions.TimestampRange("starts_at", "ends_at"), "&&"),
                ],
                name="grant_no_overlap",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_active", True)),
                fields=("plan", "currency", "interval", "interval_count"),
                name="price_one_active_per_interval",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("interval_count__gte", 1),
                    ("interval_count__lte", 366),
                    ("seat_amount_minor__gte", 0),
                    ("setup_fee_minor__gte", 0),
                    ("trial_days__lte", 730),
                ),
                name="price_terms_bounded",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="feature",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="66bbd7a3a613bbb1a4a2f02650aa0ed138fac86e",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_bbf07",
                    table="memberships_feature",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="feature",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_featureevent" ("code", "id", "is_active", "kind", "name_en", "name_zh", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reset") VALUES (NEW."code", NEW."id", NEW."is_active", NEW."kind", NEW."name_en", NEW."name_zh", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reset"); RETURN NULL;',
                    hash="236e5e4fd97fe0acea7298df23352aa042f81294",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_576dc",
                    table="memberships_feature",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="feature",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "memberships_featureevent" ("code", "id", "is_active", "kind", "name_en", "name_zh", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reset") VALUES (NEW."code", NEW."id", NEW."is_active", NEW."kind", NEW."name_en", NEW."name_zh", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reset"); RETURN NULL;',
                    hash="ec519196f75498a95a273f25a378abac7e8ea6fa",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_ea815",
                    table="memberships_feature",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="featureevent",
            name="pgh_context",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="pghistory.context",
            ),
        ),
        migrations.AddField(
            model_name="featureevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="memberships.feature",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="order",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.order",
                verbose_name="order",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddConstraint(
            model_name="numberseries",
            constraint=models.UniqueConstraint(fields=("kind", "prefix"), name="number_series_once"),
        ),
        migrations.AddField(
            model_name="period",
            name="invoice",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="period",
                to="memberships.invoice",
                verbose_name="invoice",
            ),
        ),
        migrations.AddField(
            model_name="period",
            name="price",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="memberships.price",
                verbose_name="price",
            ),
        ),
        migrations.AddField(
            model_name="planversion",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="memberships.plan",
                verbose_name="plan",
            ),
        ),
        migrations.AddField(
            model_name="period",
            name="plan_version",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="memberships.planversion",
                verbose_name="plan version",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="next_price",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memberships.price",
                verbose_name="next price",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="payment_method",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.paymentmethod",
                verbose_name="saved payment method",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="memberships.plan", verbose_name="plan"
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="price",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="memberships.price",
                verbose_name="price",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="period",
            name="subscription",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="periods",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="subscriptionchange",
            name="subscription",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="changes",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="tier",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2183597ff514516518cd33490fa4ce05e4aadf60",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_e72a9",
                    table="memberships_tier",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="tier",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_tierevent" ("code", "id", "name_en", "name_zh", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rank") VALUES (NEW."code", NEW."id", NEW."name_en", NEW."name_zh", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."rank"); RETURN NULL;',
                    hash="655b32593f91e3d953f4c72c35c5327f29a1c7e0",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_b9e8c",
                    table="memberships_tier",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="tier",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "memberships_tierevent" ("code", "id", "name_en", "name_zh", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rank") VALUES (NEW."code", NEW."id", NEW."name_en", NEW."name_zh", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."rank"); RETURN NULL;',
                    hash="cd50d07346e434443efbbc3bcdd8f7bcd0531edb",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_66261",
                    table="memberships_tier",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="tier",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="plans",
                to="memberships.tier",
                verbose_name="tier",
            ),
        ),
        migrations.AddField(
            model_name="planevent",
            name="tier",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="memberships.tier",
                verbose_name="tier",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("archived_at__isnull", True), ("is_active", False), _connector="OR"),
                name="plan_archived_is_not_sold",
            ),
        ),
        migrations.AddField(
            model_name="tierevent",
            name="pgh_context",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="pghistory.context",
            ),
        ),
        migrations.AddField(
            model_name="tierevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="memberships.tier",
            ),
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.UniqueConstraint(fields=("plan", "number"), name="plan_version_number"),
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("seats_included__gte", 1),
                    ("seats_most__gte", models.F("seats_included")),
                    ("seats_most__lte", 10000),
                ),
                name="plan_version_seats",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="planversion",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="370cc84f193d87b99df80f7f8831ca111295afaa",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_47fb8",
                    table="memberships_planversion",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(fields=["user", "-id"], name="subscription_by_user"),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="subscription_due"
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                condition=models.Q(("notice_at__isnull", False)), fields=["notice_at"], name="subscription_notice_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("status__in", ("scheduled", "trialing", "active", "past_due", "suspended", "paused"))
                ),
                fields=("user",),
                name="subscription_one_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "incomplete")), fields=("user",), name="subscription_one_incomplete"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("store_reference", ""), _negated=True),
                fields=("rail", "store_reference"),
                name="subscription_one_a_store",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "ended"), _negated=True),
                    models.Q(("due_at__isnull", True), ("ended_at__isnull", False), ("notice_at__isnull", True)),
                    _connector="OR",
                ),
                name="subscription_ended_rests",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("rail", "web"),
                        ("status__in", ["incomplete", "scheduled", "trialing", "active", "past_due"]),
                        _negated=True,
                    ),
                    ("due_at__isnull", False),
                    _connector="OR",
                ),
                name="subscription_live_is_looked_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("rail", "web"), _negated=True),
                    models.Q(("price__isnull", False), models.Q(("currency", ""), _negated=True)),
                    _connector="OR",
                ),
                name="subscription_web_has_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credit_minor__gte", 0), ("quantity__gte", 1), ("quantity__lte", 10000), ("unused_seconds__gte", 0)
                ),
                name="subscription_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("period_ends_at__isnull", True),
                    ("period_ends_at__gt", models.F("period_started_at")),
                    _connector="OR",
                ),
                name="subscription_period_forward",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscription",
            trigger=pgtrigger.compiler.Trigger(
                name="subscription_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{incomplete:scheduled,incomplete:trialing,incomplete:active,incomplete:ended,scheduled:trialing,scheduled:active,scheduled:past_due,scheduled:ended,trialing:active,trialing:past_due,trialing:paused,trialing:ended,active:past_due,active:suspended,active:paused,active:ended,past_due:active,past_due:suspended,past_due:ended,suspended:active,suspended:past_due,suspended:ended,paused:active,paused:trialing,paused:past_due,paused:ended}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="049f05ed7676e73c8d08e8db29106e2bf689862a",
                    operation="UPDATE",
                    pgid="pgtrigger_subscription_states_dc8fc",
                    table="memberships_subscription",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscription",
            trigger=pgtrigger.compiler.Trigger(
                name="count_versions",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="NEW.version := OLD.version + 1; NEW.updated_at := clock_timestamp(); RETURN NEW;",
                    hash="0f106d0198adfc153baa0965e98968cb245d82cc",
                    operation="UPDATE",
                    pgid="pgtrigger_count_versions_b7940",
                    table="memberships_subscription",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscription",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="9c1d6889feaf7127b81be536780b6b38799e18b4",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_fce93",
                    table="memberships_subscription",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscription",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."rail" IS DISTINCT FROM (NEW."rail") OR OLD."store_reference" IS DISTINCT FROM (NEW."store_reference"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="99489270759f65a5e988b100fc038c982ab0ce24",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_0d63c",
                    table="memberships_subscription",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="period",
            constraint=models.UniqueConstraint(fields=("subscription", "number"), name="period_once"),
        ),
        migrations.AddConstraint(
            model_name="period",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "open")), fields=("subscription",), name="period_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="period",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="period_runs_forward"
            ),
        ),
        migrations.AddConstraint(
            model_name="period",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("status__in", ["open", "paid"])),
                expressions=[
                    ("subscription", "="),
                    (memberships.models.subscriptions.TimestampRange("starts_at", "ends_at"), "&&"),
                ],
                name="period_no_two_at_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="period",
            trigger=pgtrigger.compiler.Trigger(
                name="period_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:paid,open:void,paid:revoked}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="3cffe66a9a63fe133089cbe24842c1395a43eca8",
                    operation="UPDATE",
                    pgid="pgtrigger_period_states_f34b7",
                    table="memberships_period",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="period",
            trigger=pgtrigger.compiler.Trigger(
                name="count_versions",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="NEW.version := OLD.version + 1; NEW.updated_at := clock_timestamp(); RETURN NEW;",
                    hash="5ed537a44b7f40033d1a403dd1dcb49c7f37ba4c",
                    operation="UPDATE",
                    pgid="pgtrigger_count_versions_daf76",
                    table="memberships_period",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="period",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="9070a98503db71f618a57dd0b0ef2c76846d028e",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_c0f55",
                    table="memberships_period",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="period",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."starts_at" IS DISTINCT FROM (NEW."starts_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="28f35ccb0c97be0675536782863b3e365de68386",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_b9159",
                    table="memberships_period",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(fields=["user", "-id"], name="invoice_by_user"),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(fields=["subscription", "-id"], name="invoice_by_subscription"),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credit_minor__gte", 0),
                    ("discount_minor__gte", 0),
                    (
                        "due_minor",
                        django.db.models.expressions.CombinedExpression(
                            models.F("total_minor"), "-", models.F("credit_minor")
                        ),
                    ),
                    ("due_minor__gte", 0),
                    ("tax_minor__gte", 0),
                    ("total_minor__gte", 0),
                ),
                name="invoice_sums",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("order__isnull", False),
                    ("due_minor", 0),
                    models.Q(("status", "open"), _negated=True),
                    _connector="OR",
                ),
                name="invoice_due_has_order",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="invoice_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:paid,open:void,open:uncollectible,uncollectible:paid,uncollectible:void}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="c8dd5d3d2176683b43b92d7b1cf592db44e38bff",
                    operation="UPDATE",
                    pgid="pgtrigger_invoice_states_78518",
                    table="memberships_invoice",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="count_versions",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="NEW.version := OLD.version + 1; NEW.updated_at := clock_timestamp(); RETURN NEW;",
                    hash="acd2c8a5498d703d295c00e1ac1dbf8686d17e1b",
                    operation="UPDATE",
                    pgid="pgtrigger_count_versions_7ebe4",
                    table="memberships_invoice",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="a9ad3e9483bfe944a4b0622c5ac1f890aa19e5bc",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_c1972",
                    table="memberships_invoice",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoice",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."number" IS DISTINCT FROM (NEW."number") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."subtotal_minor" IS DISTINCT FROM (NEW."subtotal_minor") OR OLD."discount_minor" IS DISTINCT FROM (NEW."discount_minor") OR OLD."tax_minor" IS DISTINCT FROM (NEW."tax_minor") OR OLD."total_minor" IS DISTINCT FROM (NEW."total_minor") OR OLD."credit_minor" IS DISTINCT FROM (NEW."credit_minor") OR OLD."due_minor" IS DISTINCT FROM (NEW."due_minor") OR OLD."lines" IS DISTINCT FROM (NEW."lines") OR OLD."taxes" IS DISTINCT FROM (NEW."taxes") OR OLD."issued_at" IS DISTINCT FROM (NEW."issued_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="c63ba999d03d02abe810cbd5fd781f66a2092da3",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_6787a",
                    table="memberships_invoice",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="subscriptionchange",
            index=models.Index(fields=["subscription", "-id"], name="subscription_change_by_sub"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="subscriptionchange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="9f681d52fe2aae020ce5e02cc60f9623643f97a0",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_a7983",
                    table="memberships_subscriptionchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
