from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("paycore", "0002_functions")]
    operations = [
        InstallSqlFunction("payments/ledger/post.sql"),
        InstallSqlFunction("payments/orders/begin.sql"),
        InstallSqlFunction("payments/orders/apply.sql"),
    ]
