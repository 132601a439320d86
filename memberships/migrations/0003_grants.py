"""What was bought before there were subscriptions, a month at a time, becomes a grant: nobody loses a day."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("memberships", "0002_initial"), ("payments", "0012_kernel")]

    operations = [
        migrations.RemoveConstraint(model_name="period", name="period_no_overlap"),
        migrations.RemoveConstraint(model_name="period", name="period_forward"),
        migrations.RemoveIndex(model_name="period", name="period_by_user"),
        migrations.RenameModel(old_name="Period", new_name="Grant"),
        migrations.AddField(
            model_name="grant",
            name="order",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.order",
                verbose_name="order",
            ),
        ),
        migrations.AddField(
            model_name="grant",
            name="source",
            field=models.CharField(
                choices=[
                    ("purchase", "Bought once"),
                    ("gift", "Gift"),
                    ("code", "Code"),
                    ("staff", "Given by staff"),
                ],
                default="purchase",
                max_length=8,
                verbose_name="source",
            ),
        ),
        migrations.AddField(
            model_name="grant",
            name="reason",
            field=models.CharField(blank=True, default="", max_length=300, verbose_name="reason"),
        ),
        migrations.AddField(
            model_name="grant",
            name="granted_by",
            field=models.CharField(blank=True, default="", max_length=40, verbose_name="given by"),
        ),
        migrations.AddField(
            model_name="grant",
            name="created_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="created"),
        ),
        migrations.RunSQL(
            sql=[
                "UPDATE memberships_grant AS g SET order_id = p.order_id FROM memberships_purchase AS p"
                " WHERE p.id = g.purchase_id",
                "SET CONSTRAINTS ALL IMMEDIATE",
            ],
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.RemoveField(model_name="grant", name="purchase"),
        migrations.DeleteModel(name="Purchase"),
    ]
