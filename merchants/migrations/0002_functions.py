from django.db import migrations

from paycore.database import InstallSqlFunction


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial")]
    operations = [InstallSqlFunction("merchants/use_key.sql")]
