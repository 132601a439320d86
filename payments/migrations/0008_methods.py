import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0007_routing")]
    operations = [
        pgtrigger.migrations.RemoveTrigger(model_name="paymentmethod", name="payment_method_states"),
        migrations.AddField(
            model_name="paymentmethod",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.paymentmethod",
                verbose_name="saved before as",
            ),
        ),
        migrations.AddField(
            model_name="mandate",
            name="end_reason",
            field=models.CharField(blank=True, default="", max_length=300, verbose_name="why it ended"),
        ),
        migrations.AddIndex(
            model_name="mandate",
            index=models.Index(
                condition=models.Q(("status", "active")), fields=["merchant"], name="mandate_by_merchant"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="paymentmethod",
            trigger=pgtrigger.compiler.Trigger(
                name="payment_method_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{pending:active,pending:failed,pending:removed,failed:active,failed:removed,active:removed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="f0ac8af5db3ddbe8361fc65990bc47d398603821",
                    operation="UPDATE",
                    pgid="pgtrigger_payment_method_states_fdb74",
                    table="payments_paymentmethod",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="mandate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")),
                fields=("payment_method", "merchant"),
                name="mandate_one_in_force",
            ),
        ),
    ]
