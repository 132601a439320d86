import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [
        ("memberships", "0012_subscriptions"),
    ]

    operations = [
        migrations.CreateModel(
            name="MembershipCohort",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cohort", models.DateField(verbose_name="first paid in")),
                ("month", models.DateField(verbose_name="month")),
                ("started", models.IntegerField(verbose_name="started")),
                ("kept", models.IntegerField(verbose_name="still there")),
            ],
            options={
                "verbose_name": "cohort",
                "verbose_name_plural": "cohorts",
                "constraints": [models.UniqueConstraint(fields=("cohort", "month"), name="membership_cohort_once")],
            },
        ),
        migrations.CreateModel(
            name="MembershipMonth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(verbose_name="month")),
                ("currency", models.CharField(blank=True, default="", max_length=3, verbose_name="currency")),
                ("members", models.IntegerField(default=0, verbose_name="members")),
                ("trials", models.IntegerField(default=0, verbose_name="on trial")),
                (
                    "mrr_minor",
                    models.BigIntegerField(default=0, verbose_name="monthly recurring revenue (minor units)"),
                ),
                ("new_members", models.IntegerField(default=0, verbose_name="new members")),
                ("lost_members", models.IntegerField(default=0, verbose_name="lost members")),
                ("new_minor", models.BigIntegerField(default=0, verbose_name="new (minor units)")),
                ("grown_minor", models.BigIntegerField(default=0, verbose_name="grown (minor units)")),
                ("shrunk_minor", models.BigIntegerField(default=0, verbose_name="shrunk (minor units)")),
                ("lost_minor", models.BigIntegerField(default=0, verbose_name="lost (minor units)")),
                ("trials_ended", models.IntegerField(default=0, verbose_name="trials that ended")),
                ("trials_won", models.IntegerField(default=0, verbose_name="of them paid afterwards")),
                ("failed", models.IntegerField(default=0, verbose_name="periods whose first charge failed")),
                ("recovered", models.IntegerField(default=0, verbose_name="of them paid after all")),
                (
                    "counted_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="counted"),
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
                "verbose_name": "month of memberships",
                "verbose_name_plural": "memberships by month",
                "constraints": [
                    models.UniqueConstraint(fields=("month", "currency", "plan"), name="membership_month_once")
                ],
            },
        ),
        InstallSqlFunction("memberships/reports/count_month.sql"),
    ]
