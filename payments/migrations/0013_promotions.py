import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import paycore.identifiers
from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0004_webhooks"),
        ("payments", "0012_kernel"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="promotion_codes",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=250, verbose_name="promotion codes"
            ),
        ),
        migrations.CreateModel(
            name="Promotion",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="prm", primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="For yourself. Payers do not see it.", max_length=80, verbose_name="name"
                    ),
                ),
                (
                    "title",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Payers see it. Empty: what is off.",
                        max_length=80,
                        verbose_name="title (English)",
                    ),
                ),
                ("title_zh", models.CharField(blank=True, default="", max_length=80, verbose_name="title (Chinese)")),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("active", "Active"), ("paused", "Paused"), ("ended", "Ended")],
                        default="draft",
                        max_length=6,
                        verbose_name="status",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("percent", "Percentage off"), ("fixed", "Amount off"), ("free_days", "Free days")],
                        max_length=9,
                        verbose_name="kind",
                    ),
                ),
                (
                    "percent_basis_points",
                    models.PositiveSmallIntegerField(default=0, verbose_name="hundredths of a percent"),
                ),
                (
                    "amounts",
                    models.JSONField(blank=True, default=dict, verbose_name="amounts off (minor units by currency)"),
                ),
                (
                    "most_off",
                    models.JSONField(blank=True, default=dict, verbose_name="most off (minor units by currency)"),
                ),
                ("free_days", models.PositiveSmallIntegerField(default=0, verbose_name="free days")),
                (
                    "duration",
                    models.CharField(
                        choices=[("once", "Once"), ("periods", "The first periods"), ("forever", "Every period")],
                        default="once",
                        max_length=7,
                        verbose_name="how long",
                    ),
                ),
                ("periods", models.PositiveSmallIntegerField(default=1, verbose_name="number of periods")),
                (
                    "applies_to",
                    models.CharField(
                        choices=[("any", "Orders and memberships"), ("order", "Orders"), ("membership", "Memberships")],
                        default="any",
                        max_length=10,
                        verbose_name="for",
                    ),
                ),
                (
                    "least",
                    models.JSONField(
                        blank=True, default=dict, verbose_name="smallest amounts (minor units by currency)"
                    ),
                ),
                (
                    "currencies",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=3),
                        blank=True,
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                        verbose_name="currencies",
                    ),
                ),
                (
                    "plans",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                        verbose_name="plans",
                    ),
                ),
                (
                    "excluded_plans",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Never for these.",
                        size=None,
                        verbose_name="excluded plans",
                    ),
                ),
                (
                    "prices",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                        verbose_name="prices",
                    ),
                ),
                (
                    "excluded_prices",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Never for these.",
                        size=None,
                        verbose_name="excluded prices",
                    ),
                ),
                (
                    "intervals",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="For example month or year. Empty: any.",
                        size=None,
                        verbose_name="intervals",
                    ),
                ),
                ("is_first_only", models.BooleanField(default=False, verbose_name="first purchase only")),
                (
                    "users",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        blank=True,
                        default=list,
                        help_text="Ids of users. Empty: anybody.",
                        size=None,
                        verbose_name="people",
                    ),
                ),
                ("joined_from", models.DateTimeField(blank=True, null=True, verbose_name="signed up since")),
                ("joined_until", models.DateTimeField(blank=True, null=True, verbose_name="signed up before")),
                ("starts_at", models.DateTimeField(blank=True, null=True, verbose_name="starts")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="ends")),
                (
                    "stacking",
                    models.CharField(
                        choices=[("exclusive", "Alone only"), ("with_others", "Together with others")],
                        default="exclusive",
                        max_length=11,
                        verbose_name="stacking",
                    ),
                ),
                (
                    "position",
                    models.SmallIntegerField(
                        default=10, help_text="Of several, the lowest is taken off first.", verbose_name="position"
                    ),
                ),
                ("max_uses", models.PositiveIntegerField(blank=True, null=True, verbose_name="most uses")),
                (
                    "max_per_person",
                    models.PositiveIntegerField(
                        blank=True, default=1, null=True, verbose_name="most uses by one person"
                    ),
                ),
                (
                    "max_per_day",
                    models.PositiveIntegerField(
                        blank=True, help_text="Days are UTC.", null=True, verbose_name="most uses a day"
                    ),
                ),
                (
                    "budget_minor",
                    models.BigIntegerField(
                        blank=True,
                        help_text="No more is given than this.",
                        null=True,
                        verbose_name="budget (minor units)",
                    ),
                ),
                (
                    "budget_currency",
                    models.CharField(blank=True, default="", max_length=3, verbose_name="currency of the budget"),
                ),
                (
                    "funded_by",
                    models.CharField(
                        choices=[("merchant", "Merchant"), ("platform", "Platform")],
                        default="merchant",
                        max_length=8,
                        verbose_name="paid by",
                    ),
                ),
                ("used", models.PositiveIntegerField(default=0, editable=False, verbose_name="uses")),
                ("day", models.DateField(editable=False, null=True, verbose_name="day of the last use")),
                (
                    "used_on_day",
                    models.PositiveIntegerField(default=0, editable=False, verbose_name="uses on that day"),
                ),
                (
                    "reserved_minor",
                    models.BigIntegerField(default=0, editable=False, verbose_name="taken of the budget (minor units)"),
                ),
                (
                    "authors",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        default=list,
                        editable=False,
                        size=None,
                        verbose_name="written by",
                    ),
                ),
                (
                    "needs_second_person",
                    models.BooleanField(default=False, editable=False, verbose_name="needs a second person"),
                ),
                (
                    "activated_by",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=40, verbose_name="activated by"
                    ),
                ),
                ("activated_at", models.DateTimeField(editable=False, null=True, verbose_name="activated")),
                ("ended_at", models.DateTimeField(editable=False, null=True, verbose_name="ended")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created"
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Empty: the orders of every merchant, at the platform's cost.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="merchants.merchant",
                        verbose_name="seller",
                    ),
                ),
            ],
            options={
                "verbose_name": "promotion",
                "verbose_name_plural": "promotions",
            },
        ),
        migrations.CreateModel(
            name="CodeBatch",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="pcb", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("making", "Being made"), ("done", "Done"), ("stopped", "Stopped")],
                        default="making",
                        max_length=7,
                        verbose_name="status",
                    ),
                ),
                ("wanted", models.PositiveIntegerField(verbose_name="codes wanted")),
                ("made", models.PositiveIntegerField(default=0, verbose_name="codes made")),
                ("prefix", models.CharField(blank=True, default="", max_length=12, verbose_name="prefix")),
                ("length", models.PositiveSmallIntegerField(default=10, verbose_name="random characters")),
                (
                    "max_uses",
                    models.PositiveIntegerField(
                        blank=True, default=1, null=True, verbose_name="most uses of each code"
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=120, verbose_name="note")),
                ("requested_by", models.CharField(max_length=40, verbose_name="requested by")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="next step")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished")),
                (
                    "promotion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batches",
                        to="payments.promotion",
                        verbose_name="promotion",
                    ),
                ),
            ],
            options={
                "verbose_name": "batch of codes",
                "verbose_name_plural": "batches of codes",
            },
        ),
        migrations.CreateModel(
            name="PromotionCode",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="prc", primary_key=True, serialize=False
                    ),
                ),
                ("code", models.CharField(db_collation="C", max_length=40, verbose_name="code")),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("max_uses", models.PositiveIntegerField(blank=True, null=True, verbose_name="most uses")),
                (
                    "max_per_person",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="most uses by one person"),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                ("used", models.PositiveIntegerField(default=0, editable=False, verbose_name="uses")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created"
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="codes",
                        to="payments.codebatch",
                        verbose_name="batch",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="merchants.merchant",
                        verbose_name="seller",
                    ),
                ),
                (
                    "promotion",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="codes",
                        to="payments.promotion",
                        verbose_name="promotion",
                    ),
                ),
            ],
            options={
                "verbose_name": "promotion code",
                "verbose_name_plural": "promotion codes",
            },
        ),
        migrations.CreateModel(
            name="Redemption",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="red", primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.CharField(db_collation="C", max_length=40, verbose_name="for")),
                (
                    "status",
                    models.CharField(
                        choices=[("taken", "Taken"), ("used", "Used"), ("released", "Given back")],
                        default="taken",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("amount_minor", models.BigIntegerField(verbose_name="taken off first (minor units)")),
                ("reserved_minor", models.BigIntegerField(default=0, verbose_name="taken of the budget (minor units)")),
                ("given_minor", models.BigIntegerField(default=0, verbose_name="taken off in all (minor units)")),
                ("free_days", models.PositiveSmallIntegerField(default=0, verbose_name="free days")),
                ("periods_left", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="periods left")),
                ("periods_used", models.PositiveSmallIntegerField(default=0, verbose_name="periods used")),
                (
                    "funded_by",
                    models.CharField(
                        choices=[("merchant", "Merchant"), ("platform", "Platform")],
                        max_length=8,
                        verbose_name="paid by",
                    ),
                ),
                ("is_suspect", models.BooleanField(default=False, verbose_name="suspect")),
                ("day", models.DateField(verbose_name="day")),
                (
                    "taken_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="taken"),
                ),
                ("used_at", models.DateTimeField(blank=True, null=True, verbose_name="used")),
                ("released_at", models.DateTimeField(blank=True, null=True, verbose_name="given back")),
                (
                    "code",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="redemptions",
                        to="payments.promotioncode",
                        verbose_name="code",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="merchants.merchant",
                        verbose_name="seller",
                    ),
                ),
                (
                    "promotion",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="redemptions",
                        to="payments.promotion",
                        verbose_name="promotion",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "use of a promotion",
                "verbose_name_plural": "uses of promotions",
            },
        ),
        migrations.CreateModel(
            name="FundingEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                ("total_minor", models.BigIntegerField(verbose_name="paid in all after it (minor units)")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "redemption",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="funding",
                        to="payments.redemption",
                        verbose_name="use of a promotion",
                    ),
                ),
            ],
            options={
                "verbose_name": "promotion paid by the platform",
                "verbose_name_plural": "promotions paid by the platform",
            },
        ),
        migrations.CreateModel(
            name="RedemptionPerson",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("account", "Account"), ("mail", "Mail box"), ("card", "Card")],
                        max_length=7,
                        verbose_name="kind",
                    ),
                ),
                ("key", models.BinaryField(max_length=32, verbose_name="keyed hash")),
                (
                    "promotion",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.promotion",
                        verbose_name="promotion",
                    ),
                ),
                (
                    "redemption",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="persons",
                        to="payments.redemption",
                        verbose_name="use of a promotion",
                    ),
                ),
            ],
            options={
                "verbose_name": "person behind a use",
                "verbose_name_plural": "persons behind uses",
            },
        ),
        migrations.CreateModel(
            name="KnownCard",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.BinaryField(max_length=32, verbose_name="keyed hash")),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="seen"),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "known card",
                "verbose_name_plural": "known cards",
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="known_card_once")],
            },
        ),
        migrations.AddIndex(
            model_name="promotion",
            index=models.Index(fields=["merchant", "-id"], name="promotion_by_merchant"),
        ),
        migrations.AddIndex(
            model_name="promotion",
            index=models.Index(fields=["status", "-id"], name="promotion_by_status"),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "percent"), ("percent_basis_points__range", (1, 10000))),
                    models.Q(models.Q(("kind", "percent"), _negated=True), ("percent_basis_points", 0)),
                    _connector="OR",
                ),
                name="promotion_percent_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "fixed"), models.Q(("amounts", {}), _negated=True)),
                    models.Q(models.Q(("kind", "fixed"), _negated=True), ("amounts", {})),
                    _connector="OR",
                ),
                name="promotion_fixed_has_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("applies_to", "membership"),
                        ("duration", "once"),
                        ("free_days__range", (1, 366)),
                        ("kind", "free_days"),
                    ),
                    models.Q(models.Q(("kind", "free_days"), _negated=True), ("free_days", 0)),
                    _connector="OR",
                ),
                name="promotion_free_days_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("duration", "periods"), ("periods__range", (1, 120))),
                    models.Q(models.Q(("duration", "periods"), _negated=True), ("periods", 1)),
                    _connector="OR",
                ),
                name="promotion_periods_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("merchant__isnull", False),
                    models.Q(("applies_to", "order"), ("funded_by", "platform")),
                    _connector="OR",
                ),
                name="promotion_for_all_is_ours",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("budget_currency", ""), ("budget_minor__isnull", True)),
                    models.Q(
                        ("budget_minor__gt", 0),
                        models.Q(("budget_currency", ""), _negated=True),
                        models.Q(("duration", "forever"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="promotion_budget_is_finite",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__isnull", True),
                    ("starts_at__isnull", True),
                    ("ends_at__gt", models.F("starts_at")),
                    _connector="OR",
                ),
                name="promotion_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="promotion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status", "draft"),
                    models.Q(("ended_at__isnull", False), ("status", "ended")),
                    models.Q(("activated_at__isnull", False), models.Q(("activated_by", ""), _negated=True)),
                    _connector="OR",
                ),
                name="promotion_activated_by_somebody",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotion",
            trigger=pgtrigger.compiler.Trigger(
                name="promotion_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{draft:active,draft:ended,active:paused,active:ended,paused:active,paused:ended}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="3d565bd1d2e2830ecefdf5f760ee2da49c56fb9a",
                    operation="UPDATE",
                    pgid="pgtrigger_promotion_states_6da12",
                    table="payments_promotion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotion",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="cd865cfe15eb1e957a9e14bd51d36a98aaf0382f",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_974d9",
                    table="payments_promotion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotion",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_seller",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."merchant_id" IS DISTINCT FROM (NEW."merchant_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="6cf6a5ea6d08879f7d953c44051f6ca6156a3e83",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_seller_698b1",
                    table="payments_promotion",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotion",
            trigger=pgtrigger.compiler.Trigger(
                name="agreed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n    IF OLD.status <> 'draft'\n        AND (NEW.kind, NEW.percent_basis_points, NEW.amounts, NEW.most_off, NEW.free_days, NEW.duration, NEW.periods, NEW.applies_to, NEW.least, NEW.currencies, NEW.plans, NEW.excluded_plans, NEW.prices, NEW.excluded_prices, NEW.intervals, NEW.is_first_only, NEW.users, NEW.joined_from, NEW.joined_until, NEW.starts_at, NEW.ends_at, NEW.stacking, NEW.position, NEW.max_uses, NEW.max_per_person, NEW.max_per_day, NEW.budget_minor, NEW.budget_currency, NEW.funded_by, NEW.authors, NEW.needs_second_person) IS DISTINCT FROM (OLD.kind, OLD.percent_basis_points, OLD.amounts, OLD.most_off, OLD.free_days, OLD.duration, OLD.periods, OLD.applies_to, OLD.least, OLD.currencies, OLD.plans, OLD.excluded_plans, OLD.prices, OLD.excluded_prices, OLD.intervals, OLD.is_first_only, OLD.users, OLD.joined_from, OLD.joined_until, OLD.starts_at, OLD.ends_at, OLD.stacking, OLD.position, OLD.max_uses, OLD.max_per_person, OLD.max_per_day, OLD.budget_minor, OLD.budget_currency, OLD.funded_by, OLD.authors, OLD.needs_second_person)\n    THEN\n        RAISE EXCEPTION 'only a draft can be changed';\n    END IF;\n    IF NEW.status = 'active' AND NEW.needs_second_person AND NEW.activated_by = ANY(NEW.authors) THEN\n        RAISE EXCEPTION 'who wrote a promotion of this size does not activate it';\n    END IF;\n    RETURN NEW;\n",
                    hash="f47d9f275e70427c58e7f4b78682c1aa2bc64470",
                    operation="UPDATE",
                    pgid="pgtrigger_agreed_terms_b96d6",
                    table="payments_promotion",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="codebatch",
            index=models.Index(
                condition=models.Q(("status", "making")), fields=["next_attempt_at"], name="promotion_code_batch_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("length__range", (8, 20)), ("made__lte", models.F("wanted")), ("wanted__range", (1, 100000))
                ),
                name="promotion_code_batch_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_attempt_at__isnull", False), ("status", "making")),
                    models.Q(models.Q(("status", "making"), _negated=True), ("next_attempt_at__isnull", True)),
                    _connector="OR",
                ),
                name="promotion_code_batch_unfinished_is_looked_at",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codebatch",
            trigger=pgtrigger.compiler.Trigger(
                name="code_batch_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{making:done,making:stopped}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="501fecc30575a19b32a331340b0ee3a27968f396",
                    operation="UPDATE",
                    pgid="pgtrigger_code_batch_states_a683a",
                    table="payments_codebatch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codebatch",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_wish",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."promotion_id" IS DISTINCT FROM (NEW."promotion_id") OR OLD."wanted" IS DISTINCT FROM (NEW."wanted") OR OLD."prefix" IS DISTINCT FROM (NEW."prefix") OR OLD."length" IS DISTINCT FROM (NEW."length") OR OLD."max_uses" IS DISTINCT FROM (NEW."max_uses"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ec2a7b95841a8d333a6ec90707e6fc27f39ad93f",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_wish_f7542",
                    table="payments_codebatch",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="promotioncode",
            index=models.Index(fields=["promotion", "-id"], name="promotion_code_by_promotion"),
        ),
        migrations.AddIndex(
            model_name="promotioncode",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)), fields=["batch", "id"], name="promotion_code_by_batch"
            ),
        ),
        migrations.AddIndex(
            model_name="promotioncode",
            index=models.Index(fields=["code"], name="promotion_code_by_code"),
        ),
        migrations.AddConstraint(
            model_name="promotioncode",
            constraint=models.UniqueConstraint(
                fields=("merchant", "code"), name="promotion_code_unique", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="promotioncode",
            constraint=models.CheckConstraint(
                condition=models.Q(("code__regex", "^[A-Z0-9][A-Z0-9_-]{2,39}$")), name="promotion_code_is_plain"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotioncode",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="a7af5973cf182d446aa1520c53dcd88b1dcaadf6",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_3d828",
                    table="payments_promotioncode",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promotioncode",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."promotion_id" IS DISTINCT FROM (NEW."promotion_id") OR OLD."merchant_id" IS DISTINCT FROM (NEW."merchant_id") OR OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."batch_id" IS DISTINCT FROM (NEW."batch_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ada01b2ebfde653ac10c571073005ad3ee9b988a",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_f3402",
                    table="payments_promotioncode",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(fields=["promotion", "-id"], name="promotion_use_by_promotion"),
        ),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(fields=["code", "-id"], name="promotion_use_by_code"),
        ),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(fields=["merchant", "-id"], name="promotion_use_by_merchant"),
        ),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(
                condition=models.Q(("user__isnull", False)), fields=["user", "-id"], name="promotion_use_by_user"
            ),
        ),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(fields=["subject_id"], name="promotion_use_by_subject"),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "released"), _negated=True),
                fields=("subject_id", "promotion"),
                name="promotion_use_once_a_subject",
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(("status", "released"), _negated=True),
                    models.Q(("periods_left__isnull", True), ("periods_left__gt", 0), _connector="OR"),
                ),
                fields=("subject_id",),
                name="promotion_use_one_goes_on",
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gte", 0), ("given_minor__gte", 0), ("reserved_minor__gte", 0)),
                name="promotion_use_amounts_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("released_at__isnull", False), ("status", "released")),
                    models.Q(("status", "released"), _negated=True),
                    _connector="OR",
                ),
                name="promotion_use_release_is_dated",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemption",
            trigger=pgtrigger.compiler.Trigger(
                name="redemption_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{taken:used,taken:released,used:released,released:used}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="c58da8945e8d718bd67e7ca7a410e72d9acd0ed2",
                    operation="UPDATE",
                    pgid="pgtrigger_redemption_states_52391",
                    table="payments_redemption",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemption",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2c3aa1e69cd400c9477dfa62e2556885aa086288",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_fd64b",
                    table="payments_redemption",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemption",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."promotion_id" IS DISTINCT FROM (NEW."promotion_id") OR OLD."code_id" IS DISTINCT FROM (NEW."code_id") OR OLD."merchant_id" IS DISTINCT FROM (NEW."merchant_id") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."subject_id" IS DISTINCT FROM (NEW."subject_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."reserved_minor" IS DISTINCT FROM (NEW."reserved_minor") OR OLD."free_days" IS DISTINCT FROM (NEW."free_days") OR OLD."funded_by" IS DISTINCT FROM (NEW."funded_by") OR OLD."day" IS DISTINCT FROM (NEW."day") OR OLD."taken_at" IS DISTINCT FROM (NEW."taken_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="c7082b61c856eb65a303506e8d713af668b38174",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_5db1d",
                    table="payments_redemption",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemption",
            trigger=pgtrigger.compiler.Trigger(
                name="periods_only_go_by",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."periods_used" < (OLD."periods_used") OR NEW."given_minor" < (OLD."given_minor"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="b6e9c36ca124640cbe905a0b1a8d38d84b0a4f84",
                    operation="UPDATE",
                    pgid="pgtrigger_periods_only_go_by_bcf78",
                    table="payments_redemption",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="fundingentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("total_minor__gte", 0), models.Q(("amount_minor", 0), _negated=True)),
                name="funding_entry_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="fundingentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__lte", models.F("total_minor"))), name="funding_entry_adds_up"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="fundingentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="033bac893eea6896bfd5314c3c08bf67b066252d",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_e72d9",
                    table="payments_fundingentry",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="redemptionperson",
            constraint=models.UniqueConstraint(
                fields=("promotion", "key", "redemption"), name="promotion_use_person_once"
            ),
        ),
        InstallSqlFunction("payments/promotions/take.sql"),
        InstallSqlFunction("payments/orders/begin.sql"),
    ]
