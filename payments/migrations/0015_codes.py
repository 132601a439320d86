import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_batches")]

    operations = [
        InstallSqlFunction("payments/promotions/take.sql"),
        pgtrigger.migrations.RemoveTrigger(
            model_name="order",
            name="fixed_terms",
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="allows_codes",
            field=models.BooleanField(db_default=False, default=False, verbose_name="takes a promotion code"),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="customer_keys",
            field=models.JSONField(
                blank=True, default=list, editable=False, verbose_name="who the customer is (hashes)"
            ),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="is_first_purchase",
            field=models.BooleanField(db_default=False, default=False, verbose_name="customer's first purchase"),
        ),
        migrations.AddField(
            model_name="order",
            name="takes_codes",
            field=models.BooleanField(db_default=False, default=False, verbose_name="takes a promotion code"),
        ),
        migrations.AddField(
            model_name="redemption",
            name="withdrawn_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="taken off again"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="order",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."merchant_id" IS DISTINCT FROM (NEW."merchant_id") OR OLD."merchant_order_number" IS DISTINCT FROM (NEW."merchant_order_number") OR OLD."user_id" IS DISTINCT FROM (NEW."user_id") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."takes_codes" IS DISTINCT FROM (NEW."takes_codes"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="789ee826fa73349e2e1bfec434af46c7d90379f1",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_7120e",
                    table="payments_order",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="order",
            trigger=pgtrigger.compiler.Trigger(
                name="total_before_payment",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN ((OLD.amount_minor, OLD.discount_minor) IS DISTINCT FROM (NEW.amount_minor, NEW.discount_minor))",
                    func="\n    IF OLD.status <> 'open' OR NOT OLD.takes_codes\n        OR NEW.amount_minor + NEW.discount_minor <> OLD.amount_minor + OLD.discount_minor\n        -- An attempt that failed may still take its money late: the total that it was for stands.\n        OR EXISTS (SELECT 1 FROM payments_payment WHERE order_id = OLD.id)\n    THEN\n        RAISE EXCEPTION 'only a code changes the total of an order, and only before it is paid';\n    END IF;\n    RETURN NEW;\n",
                    hash="8f25e1d31ff68fbfbdc0d0151ee1c7af1d6adb53",
                    operation='UPDATE OF "amount_minor", "discount_minor"',
                    pgid="pgtrigger_total_before_payment_8e0a6",
                    table="payments_order",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="payment",
            trigger=pgtrigger.compiler.Trigger(
                name="total_as_read",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n    -- The order is locked by now. It was read before, and a code may have changed its total since.\n    IF EXISTS (\n        SELECT 1 FROM payments_order WHERE id = NEW.order_id AND takes_codes AND amount_minor <> NEW.amount_minor\n    ) THEN\n        RAISE EXCEPTION 'order_changed' USING ERRCODE = 'PC004';\n    END IF;\n    RETURN NEW;\n",
                    hash="b475c2e2ce2f0c71e60cd01a0b7a488b46382887",
                    operation="INSERT",
                    pgid="pgtrigger_total_as_read_0e230",
                    table="payments_payment",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(("withdrawn_at__isnull", True), ("status", "released"), _connector="OR"),
                name="promotion_use_withdrawn_is_released",
            ),
        ),
    ]
