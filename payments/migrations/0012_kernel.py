from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_checkout")]
    operations = [
        InstallSqlFunction("payments/orders/begin.sql"),
    ]
