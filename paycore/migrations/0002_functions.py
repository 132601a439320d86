from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("paycore", "0001_initial")]
    operations = [
        InstallSqlFunction("paycore/publish.sql"),
        InstallSqlFunction("paycore/claim_key.sql"),
    ]
