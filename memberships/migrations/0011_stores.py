import uuid

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
        ("memberships", "0010_gifts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="StoreAccount",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="sta", primary_key=True, serialize=False
                    ),
                ),
                (
                    "store",
                    models.CharField(
                        choices=[("app_store", "App Store"), ("google_play", "Google Play")],
                        max_length=12,
                        verbose_name="store",
                    ),
                ),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                ("bundle_id", models.CharField(db_collation="C", max_length=155, verbose_name="bundle or package id")),
                (
                    "environment",
                    models.CharField(
                        choices=[("production", "Production"), ("sandbox", "Sandbox")],
                        default="production",
                        max_length=10,
                        verbose_name="environment",
                    ),
                ),
                (
                    "app_apple_id",
                    models.BigIntegerField(
                        blank=True,
                        help_text="App Store, production: the number in the app's address.",
                        null=True,
                        verbose_name="app's Apple id",
                    ),
                ),
                (
                    "push_audience",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Google Play: as set in Pub/Sub.",
                        max_length=300,
                        verbose_name="audience of pushes",
                    ),
                ),
                (
                    "push_email",
                    models.EmailField(
                        blank=True,
                        default="",
                        help_text="Google Play: the service account that Pub/Sub uses.",
                        max_length=254,
                        verbose_name="sender of pushes",
                    ),
                ),
                (
                    "credentials",
                    paycore.encryption.EncryptedJSONField(
                        aad="memberships_storeaccount.credentials",
                        blank=True,
                        default=dict,
                        editable=True,
                        help_text="Written, never shown.",
                        verbose_name="credentials",
                    ),
                ),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
            ],
            options={
                "verbose_name": "store account",
                "verbose_name_plural": "store accounts",
            },
        ),
        migrations.CreateModel(
            name="StoreAccountEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="sta", primary_key=False, serialize=False
                    ),
                ),
                (
                    "store",
                    models.CharField(
                        choices=[("app_store", "App Store"), ("google_play", "Google Play")],
                        max_length=12,
                        verbose_name="store",
                    ),
                ),
                ("name", models.CharField(max_length=80, verbose_name="name")),
                ("bundle_id", models.CharField(db_collation="C", max_length=155, verbose_name="bundle or package id")),
                (
                    "environment",
                    models.CharField(
                        choices=[("production", "Production"), ("sandbox", "Sandbox")],
                        default="production",
                        max_length=10,
                        verbose_name="environment",
                    ),
                ),
                (
                    "app_apple_id",
                    models.BigIntegerField(
                        blank=True,
                        help_text="App Store, production: the number in the app's address.",
                        null=True,
                        verbose_name="app's Apple id",
                    ),
                ),
                (
                    "push_audience",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Google Play: as set in Pub/Sub.",
                        max_length=300,
                        verbose_name="audience of pushes",
                    ),
                ),
                (
                    "push_email",
                    models.EmailField(
                        blank=True,
                        default="",
                        help_text="Google Play: the service account that Pub/Sub uses.",
                        max_length=254,
                        verbose_name="sender of pushes",
                    ),
                ),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="StoreCustomer",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
                (
                    "token",
                    models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name="account token"),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "store customer",
                "verbose_name_plural": "store customers",
            },
        ),
        migrations.CreateModel(
            name="StoreNotice",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="stn", primary_key=True, serialize=False
                    ),
                ),
                ("event_id", models.CharField(db_collation="C", max_length=128, verbose_name="event id")),
                ("kind", models.CharField(max_length=80, verbose_name="kind")),
                (
                    "reference",
                    models.CharField(blank=True, db_collation="C", default="", max_length=1024, verbose_name="about"),
                ),
                ("facts", models.JSONField(blank=True, default=dict, verbose_name="facts")),
                ("signed_at", models.DateTimeField(verbose_name="signed")),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="received"),
                ),
            ],
            options={
                "verbose_name": "store notice",
                "verbose_name_plural": "store notices",
            },
        ),
        migrations.CreateModel(
            name="StoreProduct",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="stp", primary_key=True, serialize=False
                    ),
                ),
                ("product_id", models.CharField(db_collation="C", max_length=255, verbose_name="product id")),
            ],
            options={
                "verbose_name": "store product",
                "verbose_name_plural": "store products",
            },
        ),
        migrations.CreateModel(
            name="StoreProductEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="stp", primary_key=False, serialize=False
                    ),
                ),
                ("product_id", models.CharField(db_collation="C", max_length=255, verbose_name="product id")),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="StorePurchase",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="spu", primary_key=True, serialize=False
                    ),
                ),
                ("reference", models.CharField(db_collation="C", max_length=1024, verbose_name="store's reference")),
                ("owned_since", models.DateTimeField(blank=True, null=True, verbose_name="handed over")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("unclaimed", "Nobody's yet"),
                            ("unmapped", "Product without a plan"),
                            ("linked", "Gives a membership"),
                            ("conflict", "Bought beside another membership"),
                        ],
                        default="unclaimed",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "standing",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("pending", "Payment pending"),
                            ("active", "Active"),
                            ("grace", "Payment overdue, access goes on"),
                            ("retry", "On hold"),
                            ("paused", "Paused"),
                            ("expired", "Expired"),
                            ("revoked", "Revoked"),
                        ],
                        default="",
                        max_length=8,
                        verbose_name="standing at the store",
                    ),
                ),
                ("standing_at", models.DateTimeField(blank=True, null=True, verbose_name="standing as of")),
                ("grace_until", models.DateTimeField(blank=True, null=True, verbose_name="grace until")),
                ("auto_renews", models.BooleanField(blank=True, null=True, verbose_name="renews by itself")),
                ("auto_renews_at", models.DateTimeField(blank=True, null=True, verbose_name="renews as of")),
                (
                    "product_id",
                    models.CharField(
                        blank=True, db_collation="C", default="", max_length=255, verbose_name="product id"
                    ),
                ),
                ("signed_at", models.DateTimeField(blank=True, null=True, verbose_name="last told")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="looked at again")),
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
                "verbose_name": "store purchase",
                "verbose_name_plural": "store purchases",
            },
        ),
        migrations.CreateModel(
            name="StoreToken",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="stk", primary_key=True, serialize=False
                    ),
                ),
                ("token", models.CharField(db_collation="C", max_length=1024, verbose_name="purchase token")),
                ("is_replaced", models.BooleanField(default=False, verbose_name="replaced by a newer one")),
                ("voided_orders", models.JSONField(blank=True, default=dict, verbose_name="voided orders")),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True, verbose_name="acknowledged")),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("next_attempt_at", models.DateTimeField(blank=True, null=True, verbose_name="asked again")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
            ],
            options={
                "verbose_name": "purchase token",
                "verbose_name_plural": "purchase tokens",
            },
        ),
        migrations.CreateModel(
            name="StoreTransaction",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("transaction", models.CharField(db_collation="C", max_length=255, verbose_name="store's transaction")),
                ("product_id", models.CharField(db_collation="C", max_length=255, verbose_name="product id")),
                ("starts_at", models.DateTimeField(verbose_name="starts")),
                ("ends_at", models.DateTimeField(verbose_name="ends")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                ("is_bought", models.BooleanField(default=False, verbose_name="bought by hand")),
                ("is_trial", models.BooleanField(default=False, verbose_name="trial")),
                ("is_start_open", models.BooleanField(default=False, verbose_name="start is the subscription's")),
                ("is_end_open", models.BooleanField(default=False, verbose_name="end is an estimate")),
                ("signed_at", models.DateTimeField(verbose_name="told")),
            ],
            options={
                "verbose_name": "store transaction",
                "verbose_name_plural": "store transactions",
            },
        ),
        migrations.CreateModel(
            name="StoreTransfer",
            fields=[
                (
                    "id",
                    paycore.identifiers.PrefixedIdField(
                        editable=False, prefix="stt", primary_key=True, serialize=False
                    ),
                ),
                ("code_hash", models.BinaryField(max_length=32, unique=True, verbose_name="code (hash)")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("used_at", models.DateTimeField(blank=True, null=True, verbose_name="used")),
            ],
            options={
                "verbose_name": "transfer of a store purchase",
                "verbose_name_plural": "transfers of store purchases",
            },
        ),
        migrations.AddConstraint(
            model_name="storeaccount",
            constraint=models.UniqueConstraint(fields=("store", "bundle_id", "environment"), name="store_account_once"),
        ),
        migrations.AddConstraint(
            model_name="storeaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("environment", "production"), ("store", "app_store"), _negated=True),
                    ("app_apple_id__isnull", False),
                    _connector="OR",
                ),
                name="store_account_apple_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="storeaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("store", "google_play"), _negated=True),
                    models.Q(
                        models.Q(("push_audience", ""), _negated=True), models.Q(("push_email", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="store_account_push",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storeaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="771edd04afad4e3ffac853da3dc4c09f95720603",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_49be1",
                    table="memberships_storeaccount",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storeaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_storeaccountevent" ("app_apple_id", "bundle_id", "created_at", "environment", "id", "is_enabled", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "push_audience", "push_email", "store", "updated_at") VALUES (NEW."app_apple_id", NEW."bundle_id", NEW."created_at", NEW."environment", NEW."id", NEW."is_enabled", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."push_audience", NEW."push_email", NEW."store", NEW."updated_at"); RETURN NULL;',
                    hash="798895f8cbacc2a5b6739f8a8a8e831923fd565d",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_a1f40",
                    table="memberships_storeaccount",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storeaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."app_apple_id" IS DISTINCT FROM (NEW."app_apple_id") OR OLD."bundle_id" IS DISTINCT FROM (NEW."bundle_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."environment" IS DISTINCT FROM (NEW."environment") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."is_enabled" IS DISTINCT FROM (NEW."is_enabled") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."push_audience" IS DISTINCT FROM (NEW."push_audience") OR OLD."push_email" IS DISTINCT FROM (NEW."push_email") OR OLD."store" IS DISTINCT FROM (NEW."store") OR OLD."updated_at" IS DISTINCT FROM (NEW."updated_at"))',
                    func='INSERT INTO "memberships_storeaccountevent" ("app_apple_id", "bundle_id", "created_at", "environment", "id", "is_enabled", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "push_audience", "push_email", "store", "updated_at") VALUES (NEW."app_apple_id", NEW."bundle_id", NEW."created_at", NEW."environment", NEW."id", NEW."is_enabled", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."push_audience", NEW."push_email", NEW."store", NEW."updated_at"); RETURN NULL;',
                    hash="41b1974e23d14f070422c80fd6bf00a1e870f36e",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_391ad",
                    table="memberships_storeaccount",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="storeaccountevent",
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
            model_name="storeaccountevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="memberships.storeaccount",
            ),
        ),
        migrations.AddField(
            model_name="storenotice",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                to="memberships.storeaccount",
                verbose_name="store account",
            ),
        ),
        migrations.AddField(
            model_name="storeproduct",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="products",
                to="memberships.storeaccount",
                verbose_name="store account",
            ),
        ),
        migrations.AddField(
            model_name="storeproduct",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="memberships.plan", verbose_name="plan"
            ),
        ),
        migrations.AddField(
            model_name="storeproductevent",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="memberships.storeaccount",
                verbose_name="store account",
            ),
        ),
        migrations.AddField(
            model_name="storeproductevent",
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
            model_name="storeproductevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="memberships.storeproduct",
            ),
        ),
        migrations.AddField(
            model_name="storeproductevent",
            name="plan",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="memberships.plan",
                verbose_name="plan",
            ),
        ),
        migrations.AddField(
            model_name="storepurchase",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="purchases",
                to="memberships.storeaccount",
                verbose_name="store account",
            ),
        ),
        migrations.AddField(
            model_name="storepurchase",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="store_purchases",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="storepurchase",
            name="user",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddField(
            model_name="storetoken",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="memberships.storeaccount", verbose_name="store account"
            ),
        ),
        migrations.AddField(
            model_name="storetoken",
            name="purchase",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tokens",
                to="memberships.storepurchase",
                verbose_name="store purchase",
            ),
        ),
        migrations.AddField(
            model_name="storetransaction",
            name="grant",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memberships.grant",
                verbose_name="grant",
            ),
        ),
        migrations.AddField(
            model_name="storetransaction",
            name="purchase",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="transactions",
                to="memberships.storepurchase",
                verbose_name="store purchase",
            ),
        ),
        migrations.AddField(
            model_name="storetransaction",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memberships.subscription",
                verbose_name="subscription",
            ),
        ),
        migrations.AddField(
            model_name="storetransfer",
            name="from_user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="from",
            ),
        ),
        migrations.AddField(
            model_name="storetransfer",
            name="purchase",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="transfers",
                to="memberships.storepurchase",
                verbose_name="store purchase",
            ),
        ),
        migrations.AddField(
            model_name="storetransfer",
            name="to_user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="to",
            ),
        ),
        migrations.AddIndex(
            model_name="storenotice",
            index=models.Index(fields=["reference", "-id"], name="store_notice_by_reference"),
        ),
        migrations.AddConstraint(
            model_name="storenotice",
            constraint=models.UniqueConstraint(fields=("account", "event_id"), name="store_notice_once"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storenotice",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="aa8eac933447b3c69347685f6321c171f7036507",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d6cc4",
                    table="memberships_storenotice",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="storeproduct",
            constraint=models.UniqueConstraint(fields=("account", "product_id"), name="store_product_once"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storeproduct",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='INSERT INTO "memberships_storeproductevent" ("account_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "product_id") VALUES (NEW."account_id", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."plan_id", NEW."product_id"); RETURN NULL;',
                    hash="82f520103e7cc09bd7a0cc08cb3bcd4f15b6fe76",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_92575",
                    table="memberships_storeproduct",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storeproduct",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func='INSERT INTO "memberships_storeproductevent" ("account_id", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "plan_id", "product_id") VALUES (NEW."account_id", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."plan_id", NEW."product_id"); RETURN NULL;',
                    hash="e0431bacbe67d9a2b8d5a2989709fe66b54ca919",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_aa171",
                    table="memberships_storeproduct",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="storepurchase",
            index=models.Index(fields=["user", "-id"], name="store_purchase_by_user"),
        ),
        migrations.AddIndex(
            model_name="storepurchase",
            index=models.Index(
                condition=models.Q(("next_attempt_at__isnull", False)),
                fields=["next_attempt_at"],
                name="store_purchase_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="storepurchase",
            constraint=models.UniqueConstraint(fields=("account", "reference"), name="store_purchase_once"),
        ),
        migrations.AddConstraint(
            model_name="storepurchase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "unclaimed"), ("user__isnull", True)),
                    models.Q(models.Q(("state", "unclaimed"), _negated=True), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="store_purchase_owner",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storepurchase",
            trigger=pgtrigger.compiler.Trigger(
                name="count_versions",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="NEW.version := OLD.version + 1; NEW.updated_at := clock_timestamp(); RETURN NEW;",
                    hash="120613c877358f45a6d622356ecc95bb022bec85",
                    operation="UPDATE",
                    pgid="pgtrigger_count_versions_949cb",
                    table="memberships_storepurchase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storepurchase",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="df7ced07f479a3538cf137a7f9330dc7ea64aeb9",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_8e31b",
                    table="memberships_storepurchase",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storepurchase",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."reference" IS DISTINCT FROM (NEW."reference"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="f53b15f648c22ed50ce956177ce2bd793d468370",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_02773",
                    table="memberships_storepurchase",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="storetoken",
            index=models.Index(
                condition=models.Q(("next_attempt_at__isnull", False)),
                fields=["next_attempt_at"],
                name="store_token_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="storetoken",
            constraint=models.UniqueConstraint(fields=("account", "token"), name="store_token_once"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storetoken",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0ba5027322fdd2ea5e1043065320c2cb4e97e33a",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_7291c",
                    table="memberships_storetoken",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storetoken",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."account_id" IS DISTINCT FROM (NEW."account_id") OR OLD."token" IS DISTINCT FROM (NEW."token"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="04395bd752fc9d914d8d47c5ec785ad99a104d7d",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_0e9e5",
                    table="memberships_storetoken",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="storetransaction",
            constraint=models.UniqueConstraint(fields=("purchase", "transaction"), name="store_transaction_once"),
        ),
        migrations.AddConstraint(
            model_name="storetransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="store_transaction_forward"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storetransaction",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="9721c5b0a5a9ef169f89968a2a3265cfdce450fb",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_86ec9",
                    table="memberships_storetransaction",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="storetransfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("to_user__isnull", True), ("used_at__isnull", True)),
                    models.Q(("to_user__isnull", False), ("used_at__isnull", False)),
                    _connector="OR",
                ),
                name="store_transfer_used_by_somebody",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="storetransfer",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="469cd5d16c77dd61f49eed47d38e3b8587d3f864",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_7c1f1",
                    table="memberships_storetransfer",
                    when="BEFORE",
                ),
            ),
        ),
    ]
