import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import paycore.encryption
import paycore.identifiers


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0008_methods"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Wallet",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="wal", primary_key=True, serialize=False
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("frozen", "Frozen")],
                        default="active",
                        max_length=6,
                        verbose_name="status",
                    ),
                ),
                (
                    "frozen_reason",
                    models.CharField(blank=True, default="", max_length=300, verbose_name="why it is frozen"),
                ),
                ("frozen_by", models.CharField(blank=True, default="", max_length=40, verbose_name="frozen by")),
                ("frozen_at", models.DateTimeField(blank=True, null=True, verbose_name="frozen at")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="opened on"
                    ),
                ),
            ],
            options={"verbose_name": "wallet", "verbose_name_plural": "wallets"},
        ),
        migrations.CreateModel(
            name="WalletOperation",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="wop", primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("top_up", "Top-up"),
                            ("pay", "Payment"),
                            ("hold", "Hold"),
                            ("capture", "Taken from a hold"),
                            ("release", "Rest of a hold let go"),
                            ("refund", "Refund"),
                            ("withdraw", "Withdrawal"),
                            ("withdraw_paid", "Withdrawal paid"),
                            ("withdraw_back", "Withdrawal given back"),
                            ("close", "Closed before it was paid"),
                        ],
                        max_length=13,
                        verbose_name="kind",
                    ),
                ),
                ("reference", models.CharField(db_collation="C", max_length=64, verbose_name="for")),
                (
                    "payment_reference",
                    models.CharField(blank=True, db_collation="C", default="", max_length=64, verbose_name="payment"),
                ),
                (
                    "gateway_account_id",
                    models.CharField(blank=True, default="", max_length=40, verbose_name="gateway account"),
                ),
                ("currency", models.CharField(blank=True, default="", max_length=3, verbose_name="currency")),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                ("change_minor", models.BigIntegerField(verbose_name="change of the balance (minor units)")),
                (
                    "balance_after_minor",
                    models.BigIntegerField(default=0, verbose_name="balance after it (minor units)"),
                ),
                ("refusal", models.CharField(blank=True, default="", max_length=64, verbose_name="refused because")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={"verbose_name": "wallet operation", "verbose_name_plural": "wallet operations"},
        ),
        migrations.CreateModel(
            name="WalletTopUp",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="wtu", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting for the payment"), ("credited", "In the wallet")],
                        default="waiting",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("credited_at", models.DateTimeField(blank=True, null=True, verbose_name="credited")),
            ],
            options={"verbose_name": "wallet top-up", "verbose_name_plural": "wallet top-ups"},
        ),
        migrations.CreateModel(
            name="WalletWithdrawal",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="wdr", primary_key=True, serialize=False
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Waiting for review"),
                            ("half_approved", "Waiting for a second person"),
                            ("approved", "Approved"),
                            ("sent", "Sent to the bank"),
                            ("paid", "Paid"),
                            ("rejected", "Rejected"),
                            ("failed", "Failed"),
                        ],
                        default="requested",
                        max_length=13,
                        verbose_name="status",
                    ),
                ),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                (
                    "iban",
                    paycore.encryption.EncryptedTextField(
                        aad="payments_walletwithdrawal.iban", blank=True, editable=True, null=True, verbose_name="IBAN"
                    ),
                ),
                ("iban_masked", models.CharField(max_length=12, verbose_name="bank account")),
                (
                    "holder",
                    paycore.encryption.EncryptedTextField(
                        aad="payments_walletwithdrawal.holder",
                        blank=True,
                        editable=True,
                        null=True,
                        verbose_name="account holder",
                    ),
                ),
                (
                    "first_approved_by",
                    models.CharField(blank=True, default="", max_length=40, verbose_name="first approved by"),
                ),
                ("reviewed_by", models.CharField(blank=True, default="", max_length=40, verbose_name="decided by")),
                ("review_note", models.CharField(blank=True, default="", max_length=300, verbose_name="note")),
                ("reviewed_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                ("batch", models.CharField(blank=True, default="", max_length=40, verbose_name="payout batch")),
                (
                    "bank_account_code",
                    models.CharField(blank=True, default="", max_length=120, verbose_name="paid from"),
                ),
                (
                    "failure_reason",
                    models.CharField(blank=True, default="", max_length=300, verbose_name="failed because"),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
            ],
            options={"verbose_name": "wallet withdrawal", "verbose_name_plural": "wallet withdrawals"},
        ),
        migrations.AddField(
            model_name="wallet",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="walletoperation",
            name="wallet",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="operations",
                to="payments.wallet",
                verbose_name="wallet",
            ),
        ),
        migrations.AddField(
            model_name="wallettopup",
            name="order",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="wallet_top_up",
                to="payments.order",
                verbose_name="order",
            ),
        ),
        migrations.AddField(
            model_name="wallettopup",
            name="wallet",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="top_ups",
                to="payments.wallet",
                verbose_name="wallet",
            ),
        ),
        migrations.AddField(
            model_name="walletwithdrawal",
            name="wallet",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="withdrawals",
                to="payments.wallet",
                verbose_name="wallet",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.UniqueConstraint(fields=("user", "currency"), name="wallet_one_a_currency"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("frozen_at__isnull", False), ("status", "frozen")),
                    models.Q(("frozen_at__isnull", True), ("status", "active")),
                    _connector="OR",
                ),
                name="wallet_frozen_is_dated",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="wallet",
            trigger=pgtrigger.compiler.Trigger(
                name="wallet_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{active:frozen,frozen:active}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="741446bd60dcb6661dca80a148f2b01bd557439e",
                    operation="UPDATE",
                    pgid="pgtrigger_wallet_states_c62d4",
                    table="payments_wallet",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="wallet",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="42edcb7543a30ba6935a7d16a070750bf547de26",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_48fa9",
                    table="payments_wallet",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="wallet",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="b262bc5cd82d777728315d0a0e69d3c4691796aa",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_8cae0",
                    table="payments_wallet",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="walletoperation",
            index=models.Index(fields=["wallet", "-created_at", "-id"], name="wallet_operation_by_wallet"),
        ),
        migrations.AddIndex(
            model_name="walletoperation",
            index=models.Index(
                condition=models.Q(("payment_reference", ""), _negated=True),
                fields=["payment_reference"],
                name="wallet_operation_by_payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletoperation",
            constraint=models.UniqueConstraint(fields=("kind", "reference"), name="wallet_operation_once"),
        ),
        migrations.AddConstraint(
            model_name="walletoperation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["pay", "hold", "close"])),
                fields=("reference",),
                name="wallet_operation_one_attempt",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount_minor", 0), ("kind", "close"), ("wallet__isnull", True)),
                    models.Q(
                        models.Q(("kind", "close"), _negated=True), ("amount_minor__gt", 0), ("wallet__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="wallet_operation_has_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(("refusal", ""), ("change_minor", 0), _connector="OR"),
                name="wallet_operation_refused_moves_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletoperation",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance_after_minor__gte", 0)), name="wallet_operation_balance_positive"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="walletoperation",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="6c42907bdf6b3747218cb7790be39df5937a1aac",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_ae01c",
                    table="payments_walletoperation",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="wallettopup", index=models.Index(fields=["wallet", "-id"], name="wallet_top_up_by_wallet")
        ),
        migrations.AddConstraint(
            model_name="wallettopup",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="wallet_top_up_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallettopup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("credited_at__isnull", False), ("status", "credited")),
                    models.Q(models.Q(("status", "credited"), _negated=True), ("credited_at__isnull", True)),
                    _connector="OR",
                ),
                name="wallet_top_up_credit_is_dated",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="wallettopup",
            trigger=pgtrigger.compiler.Trigger(
                name="wallet_top_up_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{waiting:credited}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="85fe797a5b4be135d2f0711a696a7a4054d400ce",
                    operation="UPDATE",
                    pgid="pgtrigger_wallet_top_up_states_d9c8c",
                    table="payments_wallettopup",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="wallettopup",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="f00cad58e6e09568d7ec18279a554d0b0376c611",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_6a1eb",
                    table="payments_wallettopup",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="wallettopup",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."wallet_id" IS DISTINCT FROM (NEW."wallet_id") OR OLD."order_id" IS DISTINCT FROM (NEW."order_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="b5289693f8177aba7079e5bad868425a43c80dbf",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_dc587",
                    table="payments_wallettopup",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="walletwithdrawal",
            index=models.Index(fields=["wallet", "-id"], name="wallet_withdrawal_by_wallet"),
        ),
        migrations.AddIndex(
            model_name="walletwithdrawal",
            index=models.Index(
                condition=models.Q(("status__in", ["requested", "half_approved", "approved", "sent"])),
                fields=["id"],
                name="wallet_withdrawal_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletwithdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="wallet_withdrawal_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="walletwithdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("first_approved_by", ""),
                    models.Q(("first_approved_by", models.F("reviewed_by")), _negated=True),
                    _connector="OR",
                ),
                name="wallet_withdrawal_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletwithdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("holder__isnull", False), ("iban__isnull", False)),
                    ("status__in", ["rejected", "paid", "failed"]),
                    _connector="OR",
                ),
                name="wallet_withdrawal_has_target",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="walletwithdrawal",
            trigger=pgtrigger.compiler.Trigger(
                name="wallet_withdrawal_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{requested:half_approved,requested:approved,requested:rejected,half_approved:approved,half_approved:rejected,approved:sent,approved:failed,sent:paid,sent:failed,paid:failed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="e82eb0e5679ea0fdd1fbe125bc1af04ea5b50795",
                    operation="UPDATE",
                    pgid="pgtrigger_wallet_withdrawal_states_4a81c",
                    table="payments_walletwithdrawal",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="walletwithdrawal",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="c7f3b81b34cb928d0977bd69293d5416db1ddc00",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_43fbb",
                    table="payments_walletwithdrawal",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="walletwithdrawal",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."wallet_id" IS DISTINCT FROM (NEW."wallet_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."amount_minor" IS DISTINCT FROM (NEW."amount_minor") OR OLD."iban_masked" IS DISTINCT FROM (NEW."iban_masked"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="16f2cdead65dfdd1806ca641165f6d7104831873",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_b09da",
                    table="payments_walletwithdrawal",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="walletwithdrawal",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_target",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."iban" IS NOT NULL AND OLD."iban" IS DISTINCT FROM NEW."iban" OR NEW."holder" IS NOT NULL AND OLD."holder" IS DISTINCT FROM NEW."holder")',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="11bc2ea1914c6626f08da59d275dadb6105690c5",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_target_02f7c",
                    table="payments_walletwithdrawal",
                    when="BEFORE",
                ),
            ),
        ),
    ]
