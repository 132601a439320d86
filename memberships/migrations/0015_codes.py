import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("memberships", "0014_money"), ("payments", "0015_codes")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="codebatch",
            name="redeem_code_batch_states",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="codebatch",
            name="fixed_terms",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="planchange",
            name="fixed_terms",
        ),
        migrations.AddField(
            model_name="codebatch",
            name="approved_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="approved"),
        ),
        migrations.AddField(
            model_name="codebatch",
            name="approved_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=40, verbose_name="approved by"),
        ),
        migrations.AddField(
            model_name="codebatch",
            name="needs_second_person",
            field=models.BooleanField(db_default=False, default=False, verbose_name="needs a second person"),
        ),
        migrations.AddField(
            model_name="planchange",
            name="code_use",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.redemption",
                verbose_name="use of a promotion",
            ),
        ),
        migrations.AlterField(
            model_name="codebatch",
            name="status",
            field=models.CharField(
                choices=[
                    ("waiting", "Waits for a second person"),
                    ("making", "Being made"),
                    ("ready", "Ready"),
                    ("void", "Void"),
                ],
                default="waiting",
                max_length=8,
                verbose_name="status",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codebatch",
            trigger=pgtrigger.compiler.Trigger(
                name="redeem_code_batch_states",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{waiting:making,waiting:void,making:ready,making:void,ready:void}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',
                    hash="64f9330ee9bd688a057b774b7ab8053ded76c9e1",
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
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."plan_id" IS DISTINCT FROM (NEW."plan_id") OR OLD."interval" IS DISTINCT FROM (NEW."interval") OR OLD."interval_count" IS DISTINCT FROM (NEW."interval_count") OR OLD."count" IS DISTINCT FROM (NEW."count") OR OLD."uses_a_code" IS DISTINCT FROM (NEW."uses_a_code") OR OLD."created_by" IS DISTINCT FROM (NEW."created_by") OR OLD."needs_second_person" IS DISTINCT FROM (NEW."needs_second_person"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="8673fc61bc448c32688ca3aa71e5df572a2b44a5",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_92325",
                    table="memberships_codebatch",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="planchange",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."subscription_id" IS DISTINCT FROM (NEW."subscription_id") OR OLD."period_id" IS DISTINCT FROM (NEW."period_id") OR OLD."invoice_id" IS DISTINCT FROM (NEW."invoice_id") OR OLD."plan_version_id" IS DISTINCT FROM (NEW."plan_version_id") OR OLD."price_id" IS DISTINCT FROM (NEW."price_id") OR OLD."quantity" IS DISTINCT FROM (NEW."quantity") OR OLD."effective_at" IS DISTINCT FROM (NEW."effective_at") OR OLD."ends_at" IS DISTINCT FROM (NEW."ends_at") OR OLD."anchor_at" IS DISTINCT FROM (NEW."anchor_at") OR OLD."code_use_id" IS DISTINCT FROM (NEW."code_use_id") OR OLD."new_credit_minor" IS DISTINCT FROM (NEW."new_credit_minor") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="f367148406e29b56b8b19f50b5f1ce3ced7e5b0b",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_fb09f",
                    table="memberships_planchange",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("needs_second_person", False),
                    ("status__in", ["waiting", "void"]),
                    models.Q(
                        models.Q(("approved_by", ""), _negated=True),
                        models.Q(("approved_by", models.F("created_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="code_batch_second_person_agreed",
            ),
        ),
    ]
