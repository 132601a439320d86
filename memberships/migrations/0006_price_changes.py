import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import memberships.models.price_changes
import paycore.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("memberships", "0005_tier_required"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PriceChange",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="pch", primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("notice", "Notice: applies after it, unless the member leaves"),
                            ("consent", "Consent: applies only to members who agree"),
                        ],
                        default="notice",
                        max_length=7,
                        verbose_name="kind",
                    ),
                ),
                (
                    "notice_days",
                    models.PositiveSmallIntegerField(
                        default=memberships.models.price_changes.default_notice_days,
                        validators=[
                            django.core.validators.MinValueValidator(30),
                            django.core.validators.MaxValueValidator(365),
                        ],
                        verbose_name="notice (days)",
                    ),
                ),
                (
                    "unanswered",
                    models.CharField(
                        choices=[("keep", "Keeps the old price"), ("end", "Membership ends with its period")],
                        default="keep",
                        max_length=4,
                        verbose_name="without consent when the notice is over",
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=300, verbose_name="why")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("announced", "Announced"),
                            ("done", "Done"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="draft",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                ("announced_at", models.DateTimeField(blank=True, null=True, verbose_name="announced")),
                ("written_at", models.DateTimeField(blank=True, null=True, verbose_name="everybody told")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="done or withdrawn")),
                ("touched", models.PositiveIntegerField(default=0, verbose_name="members touched")),
                ("told", models.PositiveIntegerField(default=0, verbose_name="members told")),
                (
                    "cursor",
                    models.CharField(
                        blank=True, db_collation="C", default="", max_length=40, verbose_name="told up to"
                    ),
                ),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="next step")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "announced_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="announced by",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="written by",
                    ),
                ),
                (
                    "from_price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.price",
                        verbose_name="from",
                    ),
                ),
                (
                    "to_price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.price",
                        verbose_name="to",
                    ),
                ),
            ],
            options={
                "verbose_name": "price change",
                "verbose_name_plural": "price changes",
                "permissions": [("announce_pricechange", "Can announce and withdraw price changes")],
            },
        ),
        migrations.CreateModel(
            name="PriceMove",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="pmv", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Told, no answer yet"),
                            ("agreed", "Agreed"),
                            ("refused", "Refused"),
                            ("applied", "Pays the new price"),
                            ("void", "Does not apply any more"),
                        ],
                        default="waiting",
                        max_length=7,
                        verbose_name="status",
                    ),
                ),
                ("notified_at", models.DateTimeField(blank=True, null=True, verbose_name="told")),
                ("notice_ends_at", models.DateTimeField(verbose_name="notice ends")),
                ("may_apply_from", models.DateTimeField(verbose_name="may apply from")),
                ("consented_at", models.DateTimeField(blank=True, null=True, verbose_name="agreed")),
                ("refused_at", models.DateTimeField(blank=True, null=True, verbose_name="refused")),
                ("applied_at", models.DateTimeField(blank=True, null=True, verbose_name="applied")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "change",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="moves",
                        to="memberships.pricechange",
                        verbose_name="price change",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="price_moves",
                        to="memberships.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "price move",
                "verbose_name_plural": "price moves",
            },
        ),
        migrations.AddIndex(
            model_name="pricechange",
            index=models.Index(
                condition=models.Q(("status", "announced")), fields=["next_attempt_at"], name="price_change_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="pricechange",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["draft", "announced"])),
                fields=("from_price",),
                name="price_change_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricechange",
            constraint=models.CheckConstraint(
                condition=models.Q(("from_price", models.F("to_price")), _negated=True), name="price_change_changes"
            ),
        ),
        migrations.AddConstraint(
            model_name="pricechange",
            constraint=models.CheckConstraint(
                condition=models.Q(("notice_days__gte", 30), ("notice_days__lte", 365)), name="price_change_notice"
            ),
        ),
        migrations.AddConstraint(
            model_name="pricechange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["announced", "done"]), _negated=True),
                    models.Q(
                        ("announced_at__isnull", False),
                        ("announced_by__isnull", False),
                        models.Q(("announced_by", models.F("created_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="price_change_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricechange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "announced"), _negated=True),
                    ("next_attempt_at__isnull", False),
                    _connector="OR",
                ),
                name="price_change_is_looked_at",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricechange",
            trigger=pgtrigger.compiler.Trigger(
                name="price_change_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{draft:announced,draft:withdrawn,announced:done,announced:withdrawn}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="043b64d8a43495eb4bbb262e4a5d0143ad46d64d",
                    operation="UPDATE",
                    pgid="pgtrigger_price_change_states_deb3b",
                    table="memberships_pricechange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricechange",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="f58c50c2ecf1979c2419240fda3992e6c4e88bee",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_a427b",
                    table="memberships_pricechange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricechange",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."from_price_id" IS DISTINCT FROM (NEW."from_price_id") OR OLD."to_price_id" IS DISTINCT FROM (NEW."to_price_id") OR OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."notice_days" IS DISTINCT FROM (NEW."notice_days") OR OLD."unanswered" IS DISTINCT FROM (NEW."unanswered") OR OLD."created_by_id" IS DISTINCT FROM (NEW."created_by_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="7d3ddd8762743359776df095ee1de49a15732ef5",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_3d645",
                    table="memberships_pricechange",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="pricemove",
            index=models.Index(
                condition=models.Q(("status__in", ["waiting", "agreed", "refused"])),
                fields=["subscription"],
                name="price_move_open",
            ),
        ),
        migrations.AddIndex(
            model_name="pricemove",
            index=models.Index(fields=["change", "status", "notice_ends_at"], name="price_move_of_change"),
        ),
        migrations.AddConstraint(
            model_name="pricemove",
            constraint=models.UniqueConstraint(fields=("change", "subscription"), name="price_move_once"),
        ),
        migrations.AddConstraint(
            model_name="pricemove",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "applied"), _negated=True), ("applied_at__isnull", False), _connector="OR"
                ),
                name="price_move_applied_when",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricemove",
            trigger=pgtrigger.compiler.Trigger(
                name="price_move_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{waiting:agreed,waiting:refused,waiting:applied,waiting:void,agreed:refused,agreed:applied,agreed:void,refused:agreed,refused:applied,refused:void}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="8579126953d9e1803212800e7f47c8d4ba7e667f",
                    operation="UPDATE",
                    pgid="pgtrigger_price_move_states_15179",
                    table="memberships_pricemove",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricemove",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="e5d9c7a0b8aaa7e9474c99f243b649f85b8ba84f",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_58adf",
                    table="memberships_pricemove",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricemove",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."change_id" IS DISTINCT FROM (NEW."change_id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."notice_ends_at" IS DISTINCT FROM (NEW."notice_ends_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="c5c542dbea2c056bf3bc3f6777754a72f0183fc7",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_66483",
                    table="memberships_pricemove",
                    when="BEFORE",
                ),
            ),
        ),
    ]
