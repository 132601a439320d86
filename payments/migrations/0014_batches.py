from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_promotions")]

    operations = [
        InstallSqlFunction("payments/ledger/post.sql"),
        InstallSqlFunction("payments/ledger/post_many.sql"),
        InstallSqlFunction("payments/orders/begin_many.sql"),
        InstallSqlFunction("payments/orders/apply_many.sql"),
        InstallSqlFunction("payments/orders/begin.sql"),
    ]
