"""Cheaper rows for renewals: an exclusion constraint whose index tells subscriptions apart, and an index less."""

import django.db.models.deletion
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import migrations, models

from memberships.models.subscriptions import HashOfText, TimestampRange


class Migration(migrations.Migration):
    dependencies = [("memberships", "0015_codes")]

    operations = [
        migrations.RemoveConstraint(model_name="period", name="period_no_two_at_once"),
        migrations.AlterField(
            model_name="subscription",
            name="next_price",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="memberships.price",
                verbose_name="next price",
            ),
        ),
        migrations.AddConstraint(
            model_name="period",
            constraint=ExclusionConstraint(
                name="period_no_two_at_once",
                expressions=[
                    (HashOfText("subscription", 0), "="),
                    ("subscription", "="),
                    (TimestampRange("starts_at", "ends_at"), "&&"),
                ],
                condition=models.Q(("status__in", ["open", "paid"])),
            ),
        ),
    ]
