from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [
        ("riskcontrol", "0003_risk_engine"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        InstallSqlFunction("riskcontrol/journal.sql"),
        InstallSqlFunction("riskcontrol/known.sql"),
        InstallSqlFunction("riskcontrol/rate.sql"),
    ]
