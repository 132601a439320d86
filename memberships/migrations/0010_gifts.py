import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import paycore.encryption
import paycore.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("memberships", "0009_entitlements"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MemberActionItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Waiting"), ("done", "Done"), ("refused", "Refused")],
                        default="pending",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=300, verbose_name="note")),
                ("done_at", models.DateTimeField(blank=True, null=True, verbose_name="done at")),
            ],
            options={
                "verbose_name": "subscription of a deed",
                "verbose_name_plural": "subscriptions of deeds",
            },
        ),
        migrations.CreateModel(
            name="RedeemCode",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="rdc", primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True, verbose_name="keyed hash")),
                ("last_four", models.CharField(max_length=4, verbose_name="last four characters")),
                ("uses_most", models.PositiveIntegerField(default=1, verbose_name="may be used")),
                ("uses", models.PositiveIntegerField(default=0, verbose_name="used")),
                ("voided_at", models.DateTimeField(blank=True, null=True, verbose_name="void since")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "redeem code",
                "verbose_name_plural": "redeem codes",
            },
        ),
        migrations.CreateModel(
            name="Redemption",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="rdm", primary_key=True, serialize=False
                    ),
                ),
                ("anchor_before_at", models.DateTimeField(blank=True, null=True, verbose_name="anchor before")),
                ("redeemed_at", models.DateTimeField(verbose_name="redeemed")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
            ],
            options={
                "verbose_name": "redemption",
                "verbose_name_plural": "redemptions",
            },
        ),
        migrations.CreateModel(
            name="Seat",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="sea", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("invited", "Invited"),
                            ("claimed", "Waits for the owner's yes"),
                            ("active", "Active"),
                            ("removed", "Removed"),
                        ],
                        default="invited",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "email",
                    paycore.encryption.EncryptedTextField(
                        aad="memberships_seat.email", editable=True, verbose_name="e-mail address"
                    ),
                ),
                ("email_index", models.BinaryField(max_length=32, verbose_name="e-mail index")),
                ("token_hash", models.BinaryField(max_length=32, unique=True, verbose_name="fingerprint")),
                ("expires_at", models.DateTimeField(verbose_name="invitation expires")),
                ("accepted_at", models.DateTimeField(blank=True, null=True, verbose_name="accepted")),
                ("removed_at", models.DateTimeField(blank=True, null=True, verbose_name="removed at")),
                ("removed_by", models.CharField(blank=True, default="", max_length=40, verbose_name="removed by")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "seat",
                "verbose_name_plural": "seats",
            },
        ),
        migrations.CreateModel(
            name="CodeBatch",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="cbt", primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "interval",
                    models.CharField(
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
                ("interval_count", models.PositiveSmallIntegerField(default=1, verbose_name="intervals")),
                ("count", models.PositiveIntegerField(verbose_name="codes")),
                ("uses_a_code", models.PositiveIntegerField(default=1, verbose_name="uses of each code")),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                (
                    "status",
                    models.CharField(
                        choices=[("making", "Being made"), ("ready", "Ready"), ("void", "Void")],
                        default="making",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("made", models.PositiveIntegerField(default=0, verbose_name="codes made so far")),
                (
                    "secret",
                    paycore.encryption.EncryptedTextField(
                        aad="memberships_codebatch.secret", blank=True, editable=True, null=True, verbose_name="secret"
                    ),
                ),
                ("created_by", models.CharField(max_length=40, verbose_name="created by")),
                ("exported_at", models.DateTimeField(blank=True, null=True, verbose_name="exported")),
                ("exported_by", models.CharField(blank=True, default="", max_length=40, verbose_name="exported by")),
                ("voided_at", models.DateTimeField(blank=True, null=True, verbose_name="void since")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="next attempt")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.plan",
                        verbose_name="plan",
                    ),
                ),
            ],
            options={
                "verbose_name": "batch of codes",
                "verbose_name_plural": "batches of codes",
            },
        ),
        migrations.CreateModel(
            name="Gift",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="gft", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Waiting for payment"),
                            ("ready", "Paid, not redeemed"),
                            ("redeemed", "Redeemed"),
                            ("void", "Void"),
                            ("revoked", "Revoked"),
                        ],
                        default="open",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "recipient_email",
                    paycore.encryption.EncryptedTextField(
                        aad="memberships_gift.recipient_email",
                        blank=True,
                        editable=True,
                        null=True,
                        verbose_name="recipient's e-mail address",
                    ),
                ),
                (
                    "recipient_index",
                    models.BinaryField(blank=True, max_length=32, verbose_name="recipient's e-mail index"),
                ),
                (
                    "message",
                    paycore.encryption.EncryptedTextField(
                        aad="memberships_gift.message", blank=True, editable=True, null=True, verbose_name="message"
                    ),
                ),
                ("language", models.CharField(default="en", max_length=12, verbose_name="language")),
                ("deliver_at", models.DateTimeField(blank=True, null=True, verbose_name="to be delivered")),
                ("delivered_at", models.DateTimeField(blank=True, null=True, verbose_name="delivered")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="void or revoked since")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="next attempt")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                (
                    "buyer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="buyer",
                    ),
                ),
                (
                    "invoice",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gift",
                        to="memberships.invoice",
                        verbose_name="invoice",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="memberships.price",
                        verbose_name="price",
                    ),
                ),
            ],
            options={
                "verbose_name": "gift",
                "verbose_name_plural": "gifts",
            },
        ),
        migrations.CreateModel(
            name="MemberAction",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="mac", primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("extend", "Extend"),
                            ("cancel_at_end", "Cancel at the end of the period"),
                            ("cancel_now", "Cancel now"),
                            ("pause", "Pause"),
                            ("change_now", "Change the plan now"),
                            ("move_to_price", "Move to another price with the next period"),
                            ("refund", "Refund"),
                        ],
                        max_length=16,
                        verbose_name="what",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for a second person"),
                            ("running", "Under way"),
                            ("done", "Done"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("terms", models.JSONField(blank=True, default=dict, verbose_name="terms")),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                ("fingerprint", models.CharField(max_length=64, verbose_name="fingerprint of what was asked")),
                ("total", models.PositiveIntegerField(verbose_name="subscriptions")),
                ("done", models.PositiveIntegerField(default=0, verbose_name="done")),
                ("refused", models.PositiveIntegerField(default=0, verbose_name="refused")),
                (
                    "amounts",
                    models.JSONField(
                        blank=True, default=dict, verbose_name="money that moves (minor units, by currency)"
                    ),
                ),
                ("asked_by", models.CharField(max_length=40, verbose_name="asked by")),
                ("decided_by", models.CharField(blank=True, default="", max_length=40, verbose_name="decided by")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="next attempt")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "deed of staff",
                "verbose_name_plural": "deeds of staff",
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "running")), fields=["next_attempt_at"], name="member_action_due"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("done"), "+", models.F("refused")
                                ),
                            )
                        ),
                        name="member_action_counts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by", ""),
                            models.Q(("status__in", ["running", "done", "rejected"]), _negated=True),
                            models.Q(("decided_by", models.F("asked_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="member_action_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_attempt_at__isnull", False), ("status", "running")),
                            models.Q(models.Q(("status", "running"), _negated=True), ("next_attempt_at__isnull", True)),
                            _connector="OR",
                        ),
                        name="member_action_is_worked_on",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="memberaction",
            trigger=pgtrigger.compiler.Trigger(
                name="member_action_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{waiting:running,waiting:rejected,waiting:withdrawn,running:done}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="19e1648e57c372e73646f17adc9e8ca1537209a8",
                    operation="UPDATE",
                    pgid="pgtrigger_member_action_states_c51c0",
                    table="memberships_memberaction",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="memberaction",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="b7f8cba9dfa95289eb31e1cd9b362023b35ac628",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_007ae",
                    table="memberships_memberaction",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="memberaction",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."kind" IS DISTINCT FROM (NEW."kind") OR OLD."terms" IS DISTINCT FROM (NEW."terms") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."fingerprint" IS DISTINCT FROM (NEW."fingerprint") OR OLD."total" IS DISTINCT FROM (NEW."total") OR OLD."asked_by" IS DISTINCT FROM (NEW."asked_by"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="04a0fdf7efd955580191d7db2cdbf46c6817398d",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_33154",
                    table="memberships_memberaction",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddField(
            model_name="memberactionitem",
            name="action",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="memberships.memberaction",
                verbose_name="deed",
            ),
        ),
        migrations.AddField(
            model_name="memberactionitem",
            name="subscription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="redeemcode",
            name="batch",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="codes",
                to="memberships.codebatch",
                verbose_name="batch",
            ),
        ),
        migrations.AddField(
            model_name="redeemcode",
            name="gift",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="codes",
                to="memberships.gift",
                verbose_name="gift",
            ),
        ),
        migrations.AddField(
            model_name="redemption",
            name="batch",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redemptions",
                to="memberships.codebatch",
                verbose_name="batch",
            ),
        ),
        migrations.AddField(
            model_name="redemption",
            name="code",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redemptions",
                to="memberships.redeemcode",
                verbose_name="code",
            ),
        ),
        migrations.AddField(
            model_name="redemption",
            name="grant",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redemption",
                to="memberships.grant",
                verbose_name="grant",
            ),
        ),
        migrations.AddField(
            model_name="redemption",
            name="period",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redemption",
                to="memberships.period",
                verbose_name="period",
            ),
        ),
        migrations.AddField(
            model_name="redemption",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="seat",
            name="subscription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="seats",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="seat",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddIndex(
            model_name="codebatch",
            index=models.Index(
                condition=models.Q(("status", "making")), fields=["next_attempt_at"], name="code_batch_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("count__gte", 1),
                    ("count__lte", 100000),
                    ("interval_count__gte", 1),
                    ("interval_count__lte", 366),
                    ("made__lte", models.F("count")),
                    ("uses_a_code__gte", 1),
                ),
                name="code_batch_bounded",
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(("exported_at__isnull", True), ("secret__isnull", True), _connector="OR"),
                name="code_batch_exported_once",
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
                name="code_batch_is_worked_on",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codebatch",
            trigger=pgtrigger.compiler.Trigger(
                name="redeem_code_batch_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{making:ready,making:void,ready:void}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="56973653a1df105a569061999ee6bc3e97705b10",
                    operation="UPDATE",
                    pgid="pgtrigger_redeem_code_batch_states_ab649",
                    table="memberships_codebatch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codebatch",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="7095a18fa430c3e85438ca9e0b3ad7cc80d2a7e4",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_8ebea",
                    table="memberships_codebatch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codebatch",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."interval" IS DISTINCT FROM (NEW."interval") OR OLD."interval_count" IS DISTINCT FROM (NEW."interval_count") OR OLD."count" IS DISTINCT FROM (NEW."count") OR OLD."uses_a_code" IS DISTINCT FROM (NEW."uses_a_code"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="67233916fd75fd6fa11a65b86b799e5b7c76e97f",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_92325",
                    table="memberships_codebatch",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="gift",
            index=models.Index(fields=["buyer", "-id"], name="gift_by_buyer"),
        ),
        migrations.AddIndex(
            model_name="gift",
            index=models.Index(
                condition=models.Q(("next_attempt_at__isnull", False)), fields=["next_attempt_at"], name="gift_due"
            ),
        ),
        migrations.AddIndex(
            model_name="gift",
            index=models.Index(
                condition=models.Q(("recipient_index", b""), _negated=True),
                fields=["recipient_index"],
                name="gift_by_recipient",
            ),
        ),
        migrations.AddConstraint(
            model_name="gift",
            constraint=models.CheckConstraint(
                condition=models.Q(("next_attempt_at__isnull", True), ("status", "ready"), _connector="OR"),
                name="gift_only_ready_is_sent",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gift",
            trigger=pgtrigger.compiler.Trigger(
                name="gift_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{open:ready,open:void,void:ready,ready:redeemed,ready:void,redeemed:revoked}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="e7ebcbbde4f8be3112c96b150c413484c23eb3c0",
                    operation="UPDATE",
                    pgid="pgtrigger_gift_states_67d2e",
                    table="memberships_gift",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gift",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="29d22d51bd2e1ab0a4941e1844963c7197e368a9",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_28fbd",
                    table="memberships_gift",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="gift",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."buyer_id" IS DISTINCT FROM (NEW."buyer_id") OR OLD."price_id" IS DISTINCT FROM (NEW."price_id") OR OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="6f2ada6b290805cbc8c93342ab1c40168f47317c",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_a89af",
                    table="memberships_gift",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="memberactionitem",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["action", "id"], name="member_action_item_pending"
            ),
        ),
        migrations.AddConstraint(
            model_name="memberactionitem",
            constraint=models.UniqueConstraint(fields=("action", "subscription"), name="member_action_item_once"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="memberactionitem",
            trigger=pgtrigger.compiler.Trigger(
                name="member_action_item_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{pending:done,pending:refused}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="3aa00d35804627680ac210bf065f4ac64fc74913",
                    operation="UPDATE",
                    pgid="pgtrigger_member_action_item_states_fe256",
                    table="memberships_memberactionitem",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="memberactionitem",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="78a73e4f730d875f1af065c90eb1bd77cd19e345",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_f3084",
                    table="memberships_memberactionitem",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="redeemcode",
            constraint=models.CheckConstraint(
                condition=models.Q(("uses__lte", models.F("uses_most"))), name="redeem_code_used_within"
            ),
        ),
        migrations.AddConstraint(
            model_name="redeemcode",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("batch__isnull", False), ("gift__isnull", True)),
                    models.Q(("batch__isnull", True), ("gift__isnull", False)),
                    _connector="OR",
                ),
                name="redeem_code_of_gift_or_batch",
            ),
        ),
        migrations.AddConstraint(
            model_name="redeemcode",
            constraint=models.UniqueConstraint(
                condition=models.Q(("voided_at__isnull", True)), fields=("gift",), name="redeem_code_one_good_a_gift"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redeemcode",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="3b0ed281cff2e668d4ede973da8e3a8e4dfd0d0f",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_84bc7",
                    table="memberships_redeemcode",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="redemption",
            index=models.Index(fields=["user", "-id"], name="redemption_by_user"),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.UniqueConstraint(fields=("code", "user"), name="redemption_once_a_code"),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", False)), fields=("batch", "user"), name="redemption_once_a_batch"
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("grant__isnull", True), ("period__isnull", False)),
                    models.Q(("grant__isnull", False), ("period__isnull", True)),
                    _connector="OR",
                ),
                name="redemption_gave_something",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemption",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="c31b3f32c2faba8402b1348eb930ba41ea8f5929",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_d4891",
                    table="memberships_redemption",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemption",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."code_id" IS DISTINCT FROM (NEW."code_id") OR OLD."batch_id" IS DISTINCT FROM (NEW."batch_id") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."redeemed_at" IS DISTINCT FROM (NEW."redeemed_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="6b90458333c866697f81d4f82cb1c8de78cca2e7",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_04047",
                    table="memberships_redemption",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="seat",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")), fields=("user",), name="seat_one_active_a_user"
            ),
        ),
        migrations.AddConstraint(
            model_name="seat",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["invited", "claimed"])),
                fields=("subscription", "email_index"),
                name="seat_one_invitation_an_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="seat",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status", "removed"),
                    models.Q(("status", "invited"), ("user__isnull", True)),
                    models.Q(("status__in", ["claimed", "active"]), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="seat_has_user_once_taken",
            ),
        ),
        migrations.AddConstraint(
            model_name="seat",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "removed"), _negated=True), ("removed_at__isnull", False), _connector="OR"
                ),
                name="seat_removed_when",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="seat",
            trigger=pgtrigger.compiler.Trigger(
                name="seat_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{invited:claimed,invited:active,invited:removed,claimed:active,claimed:removed,active:removed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="aa0f1a1577364296616d6f68c2f63201bc96dc97",
                    operation="UPDATE",
                    pgid="pgtrigger_seat_states_97194",
                    table="memberships_seat",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="seat",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="bbdebc4ac9f46dfc572fdc30849761a4bc2f4335",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_0780f",
                    table="memberships_seat",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="seat",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="9badbd8fce59ccabdfac95e8f7c8ab762a6e086e",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_21ec4",
                    table="memberships_seat",
                    when="BEFORE",
                ),
            ),
        ),
    ]
