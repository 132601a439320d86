"""Overdue renewals, and charges that are announced first."""

import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import paycore.identifiers


class Migration(migrations.Migration):
    dependencies = [("memberships", "0007_invoices"), ("payments", "0012_kernel")]

    operations = [
        migrations.CreateModel(
            name="Dunning",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="dun", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "Under way"), ("recovered", "Recovered"), ("lost", "Lost")],
                        default="open",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("first_code", models.CharField(max_length=64, verbose_name="first failure")),
                ("last_code", models.CharField(max_length=64, verbose_name="last failure")),
                ("failures", models.PositiveSmallIntegerField(default=0, verbose_name="attempts that failed")),
                (
                    "step",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How many retry dates have passed.", verbose_name="step"
                    ),
                ),
                ("is_hopeless", models.BooleanField(default=False, verbose_name="no attempt can help")),
                ("next_retry_at", models.DateTimeField(blank=True, null=True, verbose_name="next attempt or reminder")),
                (
                    "recovered_by",
                    models.CharField(
                        blank=True,
                        choices=[("retry", "Another attempt"), ("member", "The member paid")],
                        default="",
                        max_length=8,
                        verbose_name="recovered by",
                    ),
                ),
                ("opened_at", models.DateTimeField(verbose_name="first failure at")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "invoice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dunning",
                        to="memberships.invoice",
                        verbose_name="invoice",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dunnings",
                        to="memberships.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "overdue renewal",
                "verbose_name_plural": "overdue renewals",
            },
        ),
        migrations.CreateModel(
            name="ChargeNotice",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="cno", primary_key=True, serialize=False
                    ),
                ),
                ("period_number", models.PositiveIntegerField(verbose_name="number of the period")),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                ("charge_at", models.DateTimeField(verbose_name="charge from")),
                (
                    "status",
                    models.CharField(
                        choices=[("due", "Waiting to be sent"), ("accepted", "Accepted"), ("refused", "Refused")],
                        default="due",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("failure_code", models.CharField(blank=True, default="", max_length=64, verbose_name="failure code")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="next attempt")),
                ("accepted_at", models.DateTimeField(blank=True, null=True, verbose_name="accepted")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "payment_method",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.paymentmethod",
                        verbose_name="saved payment method",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="charge_notices",
                        to="memberships.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "announced charge",
                "verbose_name_plural": "announced charges",
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "due")), fields=["next_attempt_at"], name="charge_notice_due"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subscription", "period_number", "payment_method", "amount_minor", "charge_at"),
                        name="charge_notice_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_attempt_at__isnull", False), ("status", "due")),
                            models.Q(models.Q(("status", "due"), _negated=True), ("next_attempt_at__isnull", True)),
                            _connector="OR",
                        ),
                        name="charge_notice_due_is_sent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="charge_notice_amount_positive"
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="chargenotice",
            trigger=pgtrigger.compiler.Trigger(
                name="charge_notice_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{due:accepted,due:refused}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="9c327251432b5bdd42a89a45971d1339369a97cc",
                    operation="UPDATE",
                    pgid="pgtrigger_charge_notice_states_5c95f",
                    table="memberships_chargenotice",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="chargenotice",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="86dfb878d63d9a75f0c83a0117872022c797fa60",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_f5321",
                    table="memberships_chargenotice",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="dunning",
            index=models.Index(fields=["opened_at"], name="dunning_by_time"),
        ),
        migrations.AddConstraint(
            model_name="dunning",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "open")), fields=("subscription",), name="dunning_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="dunning",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("next_retry_at__isnull", False), ("status", "open")),
                    models.Q(
                        models.Q(("status", "open"), _negated=True),
                        ("closed_at__isnull", False),
                        ("next_retry_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="dunning_closed_rests",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="dunning",
            trigger=pgtrigger.compiler.Trigger(
                name="dunning_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:recovered,open:lost}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="3723ca267b5aac50e497e240f9915cbdb64478cc",
                    operation="UPDATE",
                    pgid="pgtrigger_dunning_states_b3043",
                    table="memberships_dunning",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="dunning",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="3a1e680dee401c00d443316edc86f8f0e2cc8cfa",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_553b6",
                    table="memberships_dunning",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="dunning",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."first_code" IS DISTINCT FROM (NEW."first_code") OR OLD."opened_at" IS DISTINCT FROM (NEW."opened_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="434f2ff44ac3d6d0f893cf409757ae2d02646acb",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_c35f7",
                    table="memberships_dunning",
                    when="BEFORE",
                ),
            ),
        ),
    ]
