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
        ("memberships", "0006_price_changes"),
        ("payments", "0012_kernel"),
        ("pghistory", "0007_auto_20250421_0444"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RevenueSchedule",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="rvs", primary_key=True, serialize=False
                    ),
                ),
                ("line", models.PositiveSmallIntegerField(verbose_name="line")),
                (
                    "plan",
                    models.CharField(blank=True, db_collation="C", default="", max_length=40, verbose_name="plan"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("total_minor", models.BigIntegerField(verbose_name="total (minor units)")),
                ("recognised_minor", models.BigIntegerField(default=0, verbose_name="recognised (minor units)")),
                ("base_minor", models.BigIntegerField(default=0, verbose_name="earned until the base (minor units)")),
                ("base_at", models.DateTimeField(verbose_name="base")),
                ("ends_at", models.DateTimeField(verbose_name="ends")),
                ("is_held", models.BooleanField(default=False, verbose_name="held")),
                ("looked_at", models.DateTimeField(verbose_name="recognised until")),
                ("next_at", models.DateTimeField(blank=True, null=True, verbose_name="next step")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "revenue schedule",
                "verbose_name_plural": "revenue schedules",
            },
        ),
        migrations.CreateModel(
            name="TaxRate",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="txr", primary_key=True, serialize=False
                    ),
                ),
                (
                    "country",
                    models.CharField(
                        help_text="Two letters (ISO 3166), e.g. DE.", max_length=2, verbose_name="country"
                    ),
                ),
                ("name", models.CharField(help_text="e.g. VAT", max_length=40, verbose_name="name on invoices")),
                (
                    "rate_basis_points",
                    models.PositiveIntegerField(help_text="1900 is 19 %.", verbose_name="rate (basis points)"),
                ),
                ("starts_on", models.DateField(verbose_name="in force from")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "tax rate",
                "verbose_name_plural": "tax rates",
                "ordering": ("country", "-starts_on"),
            },
        ),
        migrations.CreateModel(
            name="TaxRateEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="txr", primary_key=False, serialize=False
                    ),
                ),
                (
                    "country",
                    models.CharField(
                        help_text="Two letters (ISO 3166), e.g. DE.", max_length=2, verbose_name="country"
                    ),
                ),
                ("name", models.CharField(help_text="e.g. VAT", max_length=40, verbose_name="name on invoices")),
                (
                    "rate_basis_points",
                    models.PositiveIntegerField(help_text="1900 is 19 %.", verbose_name="rate (basis points)"),
                ),
                ("starts_on", models.DateField(verbose_name="in force from")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="CreditNote",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="crn", primary_key=True, serialize=False
                    ),
                ),
                ("number", models.CharField(max_length=32, unique=True, verbose_name="number")),
                (
                    "source",
                    models.CharField(
                        choices=[("refund", "Refund"), ("dispute", "Lost dispute")],
                        max_length=8,
                        verbose_name="because of",
                    ),
                ),
                (
                    "source_id",
                    models.CharField(db_collation="C", max_length=40, unique=True, verbose_name="refund or dispute"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("total_minor", models.BigIntegerField(verbose_name="total (minor units)")),
                ("tax_minor", models.BigIntegerField(default=0, verbose_name="tax (minor units)")),
                ("lines", models.JSONField(default=list, verbose_name="lines")),
                ("language", models.CharField(default="en", max_length=12, verbose_name="language")),
                ("issued_at", models.DateTimeField(verbose_name="issued")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credit_notes",
                        to="memberships.invoice",
                        verbose_name="invoice",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "credit note",
                "verbose_name_plural": "credit notes",
            },
        ),
        migrations.CreateModel(
            name="RevenueRecognition",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("batch", models.CharField(db_collation="C", max_length=40, verbose_name="posting")),
                ("month", models.DateField(verbose_name="month")),
                (
                    "plan",
                    models.CharField(blank=True, db_collation="C", default="", max_length=40, verbose_name="plan"),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "recognised revenue",
                "verbose_name_plural": "recognised revenue",
                "indexes": [models.Index(fields=["month", "currency", "plan"], name="revenue_by_month")],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="revenuerecognition",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="dced0e39510122f72096adc0b5aad576121e538b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_bff7a",
                    table="memberships_revenuerecognition",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="revenueschedule",
            name="invoice",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="schedules",
                to="memberships.invoice",
                verbose_name="invoice",
            ),
        ),
        migrations.AddField(
            model_name="revenueschedule",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="revenueschedule",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.UniqueConstraint(fields=("country", "starts_on"), name="tax_rate_one_a_day"),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("rate_basis_points__lte", 10000)), name="tax_rate_bounded"
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("country__regex", "^[A-Z]{2}$")), name="tax_rate_country_shape"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="taxrate",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="c9aa3806d418918d45ecefb269571444f1cb5c13",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_85763",
                    table="memberships_taxrate",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="taxrate",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_taxrateevent" ("country", "created_at", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rate_basis_points", "starts_on") VALUES (NEW."country", NEW."created_at", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."rate_basis_points", NEW."starts_on"); RETURN NULL;',
                    hash="35be68a676536bab6c4bed996a27620696aa902b",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_0ee1b",
                    table="memberships_taxrate",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="taxrate",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "memberships_taxrateevent" ("country", "created_at", "id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "rate_basis_points", "starts_on") VALUES (NEW."country", NEW."created_at", NEW."id", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."rate_basis_points", NEW."starts_on"); RETURN NULL;',
                    hash="be590f2b525acdb1fd39d3f57166afac86b10876",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_4b13d",
                    table="memberships_taxrate",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="taxrateevent",
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
            model_name="taxrateevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="memberships.taxrate",
            ),
        ),
        migrations.AddIndex(
            model_name="creditnote",
            index=models.Index(fields=["user", "-id"], name="credit_note_by_user"),
        ),
        migrations.AddConstraint(
            model_name="creditnote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("tax_minor__gte", 0), ("tax_minor__lte", models.F("total_minor")), ("total_minor__gt", 0)
                ),
                name="credit_note_sums",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="creditnote",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6a02f6a29dce2ecfa1a413bd73ef519148a17721",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_09f23",
                    table="memberships_creditnote",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="revenueschedule",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="revenue_schedule_due"
            ),
        ),
        migrations.AddIndex(
            model_name="revenueschedule",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)), fields=["user"], name="revenue_schedule_by_user"
            ),
        ),
        migrations.AddIndex(
            model_name="revenueschedule",
            index=models.Index(
                condition=models.Q(("recognised_minor__lt", models.F("total_minor"))),
                fields=["subscription"],
                name="revenue_schedule_unearned",
            ),
        ),
        migrations.AddConstraint(
            model_name="revenueschedule",
            constraint=models.UniqueConstraint(fields=("invoice", "line"), name="revenue_schedule_once"),
        ),
        migrations.AddConstraint(
            model_name="revenueschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("base_minor__gte", 0),
                    ("base_minor__lte", models.F("total_minor")),
                    ("ends_at__gte", models.F("base_at")),
                    ("recognised_minor__gte", 0),
                    ("recognised_minor__lte", models.F("total_minor")),
                ),
                name="revenue_schedule_nested",
            ),
        ),
        migrations.AddConstraint(
            model_name="revenueschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("next_at__isnull", False),
                    ("is_held", True),
                    ("recognised_minor", models.F("total_minor")),
                    _connector="OR",
                ),
                name="revenue_schedule_goes_on",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="revenueschedule",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="eb3feefba4045a21225167e77b76dd95035536ee",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_f61c6",
                    table="memberships_revenueschedule",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="revenueschedule",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."line" IS DISTINCT FROM (NEW."line") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."plan" IS DISTINCT FROM (NEW."plan") OR OLD."currency" IS DISTINCT FROM (NEW."currency"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="f1d3edf9e27f6270f2ff7a801ebc4273cac25d53",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_73d89",
                    table="memberships_revenueschedule",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.CreateModel(
            name="InvoiceVoiding",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="ivv", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waits for a second person"), ("done", "Done"), ("rejected", "Rejected")],
                        default="waiting",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                ("needs_second_person", models.BooleanField(verbose_name="needs a second person")),
                ("asked_by", models.CharField(max_length=40, verbose_name="asked by")),
                ("decided_by", models.CharField(blank=True, default="", max_length=40, verbose_name="decided by")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="voidings",
                        to="memberships.invoice",
                        verbose_name="invoice",
                    ),
                ),
            ],
            options={
                "verbose_name": "voided invoice",
                "verbose_name_plural": "voided invoices",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "waiting")),
                        fields=("invoice",),
                        name="invoice_voiding_one_waiting",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status", "waiting"),
                            ("needs_second_person", False),
                            models.Q(("decided_by", models.F("asked_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="invoice_voiding_two_people",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoicevoiding",
            trigger=pgtrigger.compiler.Trigger(
                name="invoice_voiding_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{waiting:done,waiting:rejected}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="f75b3e63c25774ee2574f8f975cce697b822be3d",
                    operation="UPDATE",
                    pgid="pgtrigger_invoice_voiding_states_37ee9",
                    table="memberships_invoicevoiding",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoicevoiding",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="227ab3b5c08b8f92988bcea55883318f8359a420",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_181a2",
                    table="memberships_invoicevoiding",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invoicevoiding",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."needs_second_person" IS DISTINCT FROM (NEW."needs_second_person") OR OLD."asked_by" IS DISTINCT FROM (NEW."asked_by"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="d04970ae1d9d38e8fe6d819a8e87f4de40920f37",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_74688",
                    table="memberships_invoicevoiding",
                    when="BEFORE",
                ),
            ),
        ),
        InstallSqlFunction("memberships/invoices/mark_paid.sql"),
        InstallSqlFunction("memberships/invoices/recognise.sql"),
    ]
