import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import paycore.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("memberships", "0011_stores"),
    ]

    operations = [
        migrations.CreateModel(
            name="PlanChange",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="chg", primary_key=True, serialize=False
                    ),
                ),
                ("quantity", models.PositiveIntegerField(verbose_name="seats")),
                ("effective_at", models.DateTimeField(verbose_name="takes effect")),
                ("ends_at", models.DateTimeField(verbose_name="new period ends")),
                ("anchor_at", models.DateTimeField(verbose_name="anchor")),
                (
                    "new_credit_minor",
                    models.BigIntegerField(default=0, verbose_name="credit that is left (minor units)"),
                ),
                ("applied_at", models.DateTimeField(blank=True, null=True, verbose_name="happened")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "invoice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="plan_change",
                        to="memberships.invoice",
                        verbose_name="invoice",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.period",
                        verbose_name="period that is cut",
                    ),
                ),
                (
                    "plan_version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.planversion",
                        verbose_name="plan version",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.price",
                        verbose_name="price",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="plan_changes",
                        to="memberships.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of plan",
                "verbose_name_plural": "changes of plan",
            },
        ),
        migrations.CreateModel(
            name="Pause",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="pau", primary_key=True, serialize=False
                    ),
                ),
                ("paused_at", models.DateTimeField(verbose_name="paused")),
                ("unused_seconds", models.BigIntegerField(verbose_name="paid time left (seconds)")),
                ("unused_minor", models.BigIntegerField(default=0, verbose_name="worth with tax (minor units)")),
                ("unused_net_minor", models.BigIntegerField(default=0, verbose_name="worth without tax (minor units)")),
                ("is_trial", models.BooleanField(default=False, verbose_name="trial")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="went on")),
                (
                    "given_as",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="from_pause",
                        to="memberships.period",
                        verbose_name="given as",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.period",
                        verbose_name="period that was cut",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pauses",
                        to="memberships.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "pause",
                "verbose_name_plural": "pauses",
                "indexes": [models.Index(fields=["subscription", "-id"], name="pause_by_subscription")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)), fields=("subscription",), name="pause_one_open"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("unused_minor__gte", 0), ("unused_net_minor__gte", 0), ("unused_seconds__gte", 0)
                        ),
                        name="pause_bounded",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pause",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2e5d3df3c8c849ce55555d6daf492409a651148e",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_bc7ab",
                    table="memberships_pause",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pause",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."period_id" IS DISTINCT FROM (NEW."period_id") OR OLD."paused_at" IS DISTINCT FROM (NEW."paused_at") OR OLD."unused_seconds" IS DISTINCT FROM (NEW."unused_seconds") OR OLD."unused_minor" IS DISTINCT FROM (NEW."unused_minor") OR OLD."unused_net_minor" IS DISTINCT FROM (NEW."unused_net_minor") OR OLD."is_trial" IS DISTINCT FROM (NEW."is_trial"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="466c4867eac1f9003692f2c69326f71f84356a87",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_e7dc8",
                    table="memberships_pause",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="planchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__gt", models.F("effective_at")), ("new_credit_minor__gte", 0), ("quantity__gte", 1)
                ),
                name="plan_change_bounded",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="planchange",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0f4563bcc9de8eec567c7ab6e43e51ff3419722f",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_2291f",
                    table="memberships_planchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="planchange",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."period_id" IS DISTINCT FROM (NEW."period_id") OR OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."plan_version_id" IS DISTINCT FROM (NEW."plan_version_id") OR OLD."price_id" IS DISTINCT FROM (NEW."price_id") OR OLD."quantity" IS DISTINCT FROM (NEW."quantity") OR OLD."effective_at" IS DISTINCT FROM (NEW."effective_at") OR OLD."ends_at" IS DISTINCT FROM (NEW."ends_at") OR OLD."anchor_at" IS DISTINCT FROM (NEW."anchor_at") OR OLD."new_credit_minor" IS DISTINCT FROM (NEW."new_credit_minor") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="030c22d8370092c08be443401e46181a24062057",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_fb09f",
                    table="memberships_planchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
