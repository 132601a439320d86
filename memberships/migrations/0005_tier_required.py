import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("memberships", "0004_catalogue"),
    ]

    operations = [
        # Every plan had a rank of its own: it becomes a tier, and what it gave the plan's first version.
        migrations.RunSQL(
            sql=[
                "INSERT INTO memberships_tier (id, code, name_en, name_zh, rank)"
                " SELECT 'tie_' || substr(id, 5), code, name_en, name_zh, rank FROM memberships_plan",
                "UPDATE memberships_plan SET tier_id = 'tie_' || substr(id, 5)",
                "UPDATE memberships_planevent SET tier_id = 'tie_' || substr(id, 5) WHERE tier_id IS NULL",
                "INSERT INTO memberships_feature (id, code, name_en, name_zh, kind, reset, is_active)"
                " SELECT 'ftr_' || substr(md5(code), 1, 26), code, code, code, 'metered', 'month', true"
                " FROM (SELECT DISTINCT jsonb_object_keys(features) AS code FROM memberships_plan) AS named",
                "INSERT INTO memberships_planversion (id, plan_id, number, features, seats_included, seats_most)"
                " SELECT 'plv_' || substr(id, 5), id, 1, features, 1, 1 FROM memberships_plan",
                "SET CONSTRAINTS ALL IMMEDIATE",
            ],
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="plan",
            name="tier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="plans",
                to="memberships.tier",
                verbose_name="tier",
            ),
        ),
        migrations.AlterField(
            model_name="planevent",
            name="tier",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="memberships.tier",
                verbose_name="tier",
            ),
        ),
        migrations.RemoveField(
            model_name="plan",
            name="features",
        ),
        migrations.RemoveField(
            model_name="plan",
            name="rank",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="plan",
            trigger=pgtrigger.compiler.Trigger(
                name="fixed_terms",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."code" IS DISTINCT FROM (NEW."code") OR OLD."tier_id" IS DISTINCT FROM (NEW."tier_id"))',
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="95fdcb5047f5fcc5211feb477972d0a6852155ef",
                    operation="UPDATE",
                    pgid="pgtrigger_fixed_terms_a3bab",
                    table="memberships_plan",
                    when="BEFORE",
                ),
            ),
        ),
    ]
