"""Who may do what: the function that finds it, counters of use, and the sandbox's clock."""

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
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("memberships", "0008_renewals"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageCounter",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("feature", models.CharField(db_collation="C", max_length=40, verbose_name="feature")),
                (
                    "subject",
                    models.CharField(
                        blank=True, db_collation="C", default="", max_length=40, verbose_name="counts for"
                    ),
                ),
                ("starts_at", models.DateTimeField(verbose_name="counts from")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="starts anew")),
                ("used", models.BigIntegerField(default=0, verbose_name="used")),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="changed"),
                ),
            ],
            options={
                "verbose_name": "usage counter",
                "verbose_name_plural": "usage counters",
            },
        ),
        migrations.CreateModel(
            name="ClockAdvance",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="adv", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "Running"), ("done", "Done"), ("failed", "Failed")],
                        default="running",
                        max_length=7,
                        verbose_name="status",
                    ),
                ),
                ("started_from", models.DateTimeField(verbose_name="from")),
                ("target_at", models.DateTimeField(verbose_name="to")),
                ("reached_at", models.DateTimeField(verbose_name="reached")),
                ("steps", models.PositiveIntegerField(default=0, verbose_name="steps")),
                ("waiting_since", models.DateTimeField(blank=True, null=True, verbose_name="waits since")),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("error", models.CharField(blank=True, default="", max_length=300, verbose_name="what failed")),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        blank=True,
                        db_default=django.db.models.functions.datetime.Now(),
                        null=True,
                        verbose_name="next look",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished")),
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
                "verbose_name": "journey of a sandbox clock",
                "verbose_name_plural": "journeys of sandbox clocks",
            },
        ),
        migrations.AddField(
            model_name="usagecounter",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddIndex(
            model_name="clockadvance",
            index=models.Index(fields=["user", "-id"], name="clock_advance_by_user"),
        ),
        migrations.AddIndex(
            model_name="clockadvance",
            index=models.Index(
                condition=models.Q(("status", "running")), fields=["next_attempt_at"], name="clock_advance_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="clockadvance",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "running")), fields=("user",), name="clock_advance_one_running"
            ),
        ),
        migrations.AddConstraint(
            model_name="clockadvance",
            constraint=models.CheckConstraint(
                condition=models.Q(("target_at__gt", models.F("started_from"))), name="clock_advance_forward"
            ),
        ),
        migrations.AddConstraint(
            model_name="clockadvance",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("next_attempt_at__isnull", False), ("status", "running")),
                    models.Q(
                        models.Q(("status", "running"), _negated=True),
                        ("finished_at__isnull", False),
                        ("next_attempt_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="clock_advance_ends_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="clockadvance",
            trigger=pgtrigger.compiler.Trigger(
                name="clock_advance_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{running:done,running:failed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="e44feef165c41a144b7ce77baae2a47b5bbc90bf",
                    operation="UPDATE",
                    pgid="pgtrigger_clock_advance_states_bec6c",
                    table="memberships_clockadvance",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="usagecounter",
            constraint=models.UniqueConstraint(
                fields=("user", "feature", "subject", "starts_at"), name="usage_counter_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="usagecounter",
            constraint=models.CheckConstraint(condition=models.Q(("used__gte", 0)), name="usage_counter_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="usagecounter",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__isnull", True), ("ends_at__gt", models.F("starts_at")), _connector="OR"),
                name="usage_counter_forward",
            ),
        ),
        InstallSqlFunction("memberships/entitlements/rights.sql"),
    ]
