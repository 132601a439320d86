import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import paycore.identifiers
import payments.routing.models.accounts
from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [
        ("merchants", "0004_webhooks"),
        ("payments", "0006_saved_methods"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="GatewayFee",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="gwf", primary_key=True, serialize=False
                    ),
                ),
                (
                    "method",
                    models.CharField(
                        blank=True, default="", help_text="Empty: any.", max_length=24, verbose_name="method"
                    ),
                ),
                (
                    "countries",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2),
                        blank=True,
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                        verbose_name="payers' countries",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty: any; a fixed part or a volume needs one.",
                        max_length=3,
                        verbose_name="currency",
                    ),
                ),
                ("basis_points", models.IntegerField(default=0, verbose_name="fee (basis points)")),
                ("fixed_minor", models.BigIntegerField(default=0, verbose_name="fixed fee (minor units)")),
                (
                    "from_volume_minor",
                    models.BigIntegerField(
                        default=0,
                        help_text="Counted per calendar month of the account.",
                        verbose_name="from a month's volume of (minor units)",
                    ),
                ),
                (
                    "effective_from",
                    models.DateTimeField(blank=True, help_text="Empty: always.", null=True, verbose_name="holds from"),
                ),
            ],
            options={
                "verbose_name": "provider's rate",
                "verbose_name_plural": "provider's rates",
            },
        ),
        migrations.CreateModel(
            name="GatewayQuota",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="gwq", primary_key=True, serialize=False
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "period",
                    models.CharField(
                        choices=[("day", "A day"), ("month", "Month")], max_length=5, verbose_name="period"
                    ),
                ),
                (
                    "max_amount_minor",
                    models.BigIntegerField(
                        blank=True, help_text="Empty: no limit.", null=True, verbose_name="largest amount (minor units)"
                    ),
                ),
                (
                    "max_count",
                    models.IntegerField(
                        blank=True, help_text="Empty: no limit.", null=True, verbose_name="largest number of payments"
                    ),
                ),
            ],
            options={
                "verbose_name": "limit of an account",
                "verbose_name_plural": "limits of accounts",
            },
        ),
        migrations.CreateModel(
            name="QuotaTake",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("payment_id", models.CharField(db_collation="C", max_length=40, verbose_name="payment")),
                ("period_start", models.DateField(verbose_name="first day")),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                ("is_given_back", models.BooleanField(default=False, verbose_name="given back")),
                (
                    "taken_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="taken at"),
                ),
            ],
            options={
                "verbose_name": "payment's share of a limit",
                "verbose_name_plural": "payments' shares of limits",
            },
        ),
        migrations.CreateModel(
            name="QuotaUse",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("period_start", models.DateField(verbose_name="first day")),
                ("amount_minor", models.BigIntegerField(default=0, verbose_name="amount (minor units)")),
                ("payments", models.IntegerField(default=0, verbose_name="payments")),
            ],
            options={
                "verbose_name": "use of a limit",
                "verbose_name_plural": "uses of limits",
            },
        ),
        migrations.CreateModel(
            name="RoutingRule",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="rru", primary_key=True, serialize=False
                    ),
                ),
                (
                    "position",
                    models.IntegerField(default=10, help_text="The lowest is asked first.", verbose_name="position"),
                ),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                (
                    "methods",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=24),
                        blank=True,
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                        verbose_name="methods",
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
                    "countries",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2),
                        blank=True,
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                        verbose_name="payers' countries",
                    ),
                ),
                (
                    "min_amount_minor",
                    models.BigIntegerField(blank=True, null=True, verbose_name="smallest amount (minor units)"),
                ),
                (
                    "max_amount_minor",
                    models.BigIntegerField(blank=True, null=True, verbose_name="largest amount (minor units)"),
                ),
                (
                    "merchants",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        blank=True,
                        default=list,
                        help_text="Ids, separated by commas. Empty: any.",
                        size=None,
                        verbose_name="merchants",
                    ),
                ),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(),
                        blank=True,
                        default=list,
                        help_text="Empty: every day.",
                        size=None,
                        verbose_name="weekdays",
                    ),
                ),
                ("from_hour", models.SmallIntegerField(default=0, verbose_name="from hour")),
                (
                    "to_hour",
                    models.SmallIntegerField(
                        default=24, help_text="Not included. May lie after midnight.", verbose_name="to hour"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("prefer", "Try these first, in this order"),
                            ("split", "Share out by percentage"),
                            ("exclude", "Never use these"),
                        ],
                        max_length=8,
                        verbose_name="what it does",
                    ),
                ),
                (
                    "accounts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), size=None, verbose_name="gateway accounts"
                    ),
                ),
                (
                    "weights",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(),
                        blank=True,
                        default=list,
                        help_text="For sharing out: one for each account, 100 together.",
                        size=None,
                        verbose_name="shares in percent",
                    ),
                ),
            ],
            options={
                "verbose_name": "routing rule",
                "verbose_name_plural": "routing rules",
                "ordering": ["position", "id"],
            },
        ),
        migrations.CreateModel(
            name="RoutingRuleSet",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="rrs", primary_key=True, serialize=False
                    ),
                ),
                ("version", models.IntegerField(editable=False, verbose_name="version")),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("active", "Active"), ("retired", "Retired")],
                        default="draft",
                        editable=False,
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=200, verbose_name="what it is for")),
                (
                    "time_zone",
                    models.CharField(
                        default="UTC",
                        help_text="For weekdays and hours.",
                        max_length=40,
                        validators=[payments.routing.models.accounts.check_time_zone],
                        verbose_name="time zone",
                    ),
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
                ("activated_at", models.DateTimeField(editable=False, null=True, verbose_name="activated")),
                ("retired_at", models.DateTimeField(editable=False, null=True, verbose_name="retired")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="created"
                    ),
                ),
            ],
            options={
                "verbose_name": "routing rule set",
                "verbose_name_plural": "routing rule sets",
                "permissions": [("activate_routingruleset", "Can activate and retire routing rule sets")],
            },
        ),
        migrations.CreateModel(
            name="RoutingTrial",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="rtr", primary_key=True, serialize=False
                    ),
                ),
                ("days", models.SmallIntegerField(verbose_name="days")),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "Running"), ("done", "Done"), ("failed", "Failed")],
                        default="running",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("looked_at", models.IntegerField(default=0, verbose_name="payments looked at")),
                (
                    "until",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="until"),
                ),
                ("state", models.JSONField(default=dict, verbose_name="what was counted")),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        blank=True,
                        db_default=django.db.models.functions.datetime.Now(),
                        null=True,
                        verbose_name="next attempt",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished")),
            ],
            options={
                "verbose_name": "trial of a rule set",
                "verbose_name_plural": "trials of rule sets",
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="gatewayaccount",
            name="insert_insert",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="gatewayaccount",
            name="update_update",
        ),
        migrations.AddField(
            model_name="gatewayaccount",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                help_text="Whose days and months its limits are counted by.",
                max_length=40,
                validators=[payments.routing.models.accounts.check_time_zone],
                verbose_name="time zone",
            ),
        ),
        migrations.AddField(
            model_name="gatewayaccountevent",
            name="time_zone",
            field=models.CharField(
                default="UTC",
                help_text="Whose days and months its limits are counted by.",
                max_length=40,
                validators=[payments.routing.models.accounts.check_time_zone],
                verbose_name="time zone",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["gateway_account", "method", "-id"], name="payment_by_account"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewayaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "payments_gatewayaccountevent" ("base_url", "countries", "created_at", "currencies", "fee_basis_points", "fee_fixed_minor", "gateway", "id", "is_enabled", "max_amount_minor", "merchant_id", "methods", "min_amount_minor", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "settings", "time_zone", "updated_at") VALUES (NEW."base_url", NEW."countries", NEW."created_at", NEW."currencies", NEW."fee_basis_points", NEW."fee_fixed_minor", NEW."gateway", NEW."id", NEW."is_enabled", NEW."max_amount_minor", NEW."merchant_id", NEW."methods", NEW."min_amount_minor", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."priority", NEW."settings", NEW."time_zone", NEW."updated_at"); RETURN NULL;',
                    hash="7c025afc1bb63b0ca4a1bb0358bf8ff5fd283e93",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_04a07",
                    table="payments_gatewayaccount",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gatewayaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."base_url" IS DISTINCT FROM (NEW."base_url") OR OLD."countries" IS DISTINCT FROM (NEW."countries") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."currencies" IS DISTINCT FROM (NEW."currencies") OR OLD."fee_basis_points" IS DISTINCT FROM (NEW."fee_basis_points") OR OLD."fee_fixed_minor" IS DISTINCT FROM (NEW."fee_fixed_minor") OR OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_enabled" IS DISTINCT FROM (NEW."is_enabled") OR OLD."max_amount_minor" IS DISTINCT FROM (NEW."max_amount_minor") OR OLD."merchant_id" IS DISTINCT FROM (NEW."merchant_id") OR OLD."methods" IS DISTINCT FROM (NEW."methods") OR OLD."min_amount_minor" IS DISTINCT FROM (NEW."min_amount_minor") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."priority" IS DISTINCT FROM (NEW."priority") OR OLD."settings" IS DISTINCT FROM (NEW."settings") OR OLD."time_zone" IS DISTINCT FROM (NEW."time_zone") OR OLD."updated_at" IS DISTINCT FROM (NEW."updated_at"))',
                    func='INSERT INTO "payments_gatewayaccountevent" ("base_url", "countries", "created_at", "currencies", "fee_basis_points", "fee_fixed_minor", "gateway", "id", "is_enabled", "max_amount_minor", "merchant_id", "methods", "min_amount_minor", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "priority", "settings", "time_zone", "updated_at") VALUES (NEW."base_url", NEW."countries", NEW."created_at", NEW."currencies", NEW."fee_basis_points", NEW."fee_fixed_minor", NEW."gateway", NEW."id", NEW."is_enabled", NEW."max_amount_minor", NEW."merchant_id", NEW."methods", NEW."min_amount_minor", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."priority", NEW."settings", NEW."time_zone", NEW."updated_at"); RETURN NULL;',
                    hash="cdc0ddf22800bda9fcf0b01a36d9d7bb0eb24238",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_9fd1e",
                    table="payments_gatewayaccount",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="gatewayfee",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="fees",
                to="payments.gatewayaccount",
                verbose_name="gateway account",
            ),
        ),
        migrations.AddField(
            model_name="gatewayquota",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="quotas",
                to="payments.gatewayaccount",
                verbose_name="gateway account",
            ),
        ),
        migrations.AddField(
            model_name="quotatake",
            name="quota",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="payments.gatewayquota",
                verbose_name="limit",
            ),
        ),
        migrations.AddField(
            model_name="quotause",
            name="quota",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="uses",
                to="payments.gatewayquota",
                verbose_name="limit",
            ),
        ),
        migrations.AddField(
            model_name="routingruleset",
            name="activated_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="activated by",
            ),
        ),
        migrations.AddField(
            model_name="routingruleset",
            name="merchant",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: the platform's own, for all merchants.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="merchants.merchant",
                verbose_name="merchant",
            ),
        ),
        migrations.AddField(
            model_name="routingrule",
            name="rule_set",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rules",
                to="payments.routingruleset",
                verbose_name="routing rule set",
            ),
        ),
        migrations.AddField(
            model_name="routingtrial",
            name="asked_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="asked by",
            ),
        ),
        migrations.AddField(
            model_name="routingtrial",
            name="rule_set",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="trials",
                to="payments.routingruleset",
                verbose_name="routing rule set",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatewayfee",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("basis_points__range", (0, 10000)), ("fixed_minor__gte", 0), ("from_volume_minor__gte", 0)
                ),
                name="gateway_fee_sane",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatewayfee",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("currency", ""), _negated=True),
                    models.Q(("fixed_minor", 0), ("from_volume_minor", 0)),
                    _connector="OR",
                ),
                name="gateway_fee_has_currency",
            ),
        ),
        migrations.AddConstraint(
            model_name="gatewayquota",
            constraint=models.UniqueConstraint(fields=("account", "currency", "period"), name="gateway_quota_once"),
        ),
        migrations.AddConstraint(
            model_name="gatewayquota",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__in", ["day", "month"])), name="gateway_quota_period_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="gatewayquota",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("max_amount_minor__isnull", True), ("max_amount_minor__gte", 0), _connector="OR"),
                    models.Q(("max_count__isnull", True), ("max_count__gte", 0), _connector="OR"),
                ),
                name="gateway_quota_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="quotatake",
            constraint=models.UniqueConstraint(fields=("payment_id", "quota"), name="quota_take_once"),
        ),
        migrations.AddConstraint(
            model_name="quotause",
            constraint=models.UniqueConstraint(fields=("quota", "period_start"), name="quota_use_once"),
        ),
        migrations.AddConstraint(
            model_name="quotause",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gte", 0), ("payments__gte", 0)), name="quota_use_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="routingruleset",
            constraint=models.UniqueConstraint(
                fields=("merchant", "version"), name="routing_rule_set_version_unique", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="routingruleset",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")),
                fields=("merchant",),
                name="routing_rule_set_one_active",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="routingruleset",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "active"), _negated=True),
                    models.Q(("activated_at__isnull", False), ("activated_by__isnull", False)),
                    _connector="OR",
                ),
                name="routing_rule_set_activated_by",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="routingruleset",
            trigger=pgtrigger.compiler.Trigger(
                name="routing_rule_set_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{draft:active,draft:retired,active:retired}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="f157707e14ac2c5dfaaf573205f85cce6f66bdbd",
                    operation="UPDATE",
                    pgid="pgtrigger_routing_rule_set_states_34141",
                    table="payments_routingruleset",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="routingruleset",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="378a52913da4425d9e5e17443eaeb03509e36123",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_a28b9",
                    table="payments_routingruleset",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="routingruleset",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_scope",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."merchant_id" IS DISTINCT FROM (NEW."merchant_id") OR OLD."version" IS DISTINCT FROM (NEW."version"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="0157c98aac92bda833abac36acebfbc09ce3f0e1",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_scope_6470a",
                    table="payments_routingruleset",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="routingruleset",
            trigger=pgtrigger.compiler.Trigger(
                name="second_person",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n                    IF NEW.status = 'active' AND NEW.activated_by_id = ANY(NEW.authors) THEN\n                        RAISE EXCEPTION 'who wrote a rule set does not activate it';\n                    END IF;\n                    RETURN NEW;\n                ",
                    hash="189c9ab7d90762674cdc2cd2159cb7188494b517",
                    operation="UPDATE",
                    pgid="pgtrigger_second_person_03a9d",
                    table="payments_routingruleset",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="routingrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("from_hour__range", (0, 23)),
                    ("to_hour__range", (1, 24)),
                    models.Q(("from_hour", models.F("to_hour")), _negated=True),
                ),
                name="routing_rule_hours_sane",
            ),
        ),
        migrations.AddConstraint(
            model_name="routingrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("accounts__len__gt", 0), ("kind", "split"), ("weights__len", models.F("accounts__len"))),
                    models.Q(("accounts__len__gt", 0), ("kind__in", ["prefer", "exclude"]), ("weights__len", 0)),
                    _connector="OR",
                ),
                name="routing_rule_weights_fit",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="routingrule",
            trigger=pgtrigger.compiler.Trigger(
                name="only_drafts",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n    IF (SELECT status FROM payments_routingruleset WHERE id = coalesce(NEW.rule_set_id, OLD.rule_set_id)) <> 'draft'\n    THEN\n        RAISE EXCEPTION 'only the rules of a draft can be changed';\n    END IF;\n    RETURN coalesce(NEW, OLD);\n",
                    hash="0b66e9328c543899acc8983c96b678fa522352f2",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_only_drafts_7e14e",
                    table="payments_routingrule",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="routingtrial",
            index=models.Index(
                condition=models.Q(("status", "running")), fields=["next_attempt_at"], name="routing_trial_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="routingtrial",
            constraint=models.CheckConstraint(
                condition=models.Q(("days__range", (1, 90))), name="routing_trial_days_bounded"
            ),
        ),
        migrations.AddConstraint(
            model_name="routingtrial",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_attempt_at__isnull", False), ("status", "running")),
                    models.Q(models.Q(("status", "running"), _negated=True), ("next_attempt_at__isnull", True)),
                    _connector="OR",
                ),
                name="routing_trial_unfinished_is_looked_at",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="routingtrial",
            trigger=pgtrigger.compiler.Trigger(
                name="routing_trial_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{running:done,running:failed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="98f894c14a383206c1fbdacc85e238b38c32d1f3",
                    operation="UPDATE",
                    pgid="pgtrigger_routing_trial_states_7ee6c",
                    table="payments_routingtrial",
                    when="BEFORE",
                ),
            ),
        ),
        InstallSqlFunction("payments/routing/quotas.sql"),
    ]
