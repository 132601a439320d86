"""Refunds, pauses and trials in several periods are counted as what they are."""

from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("memberships", "0016_speed")]

    operations = [InstallSqlFunction("memberships/reports/count_month.sql")]
