"""A file's pieces are stored as they are: trying to compress a million random ids costs more than it saves."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE reconciliation_statementchunk ALTER COLUMN body SET STORAGE EXTERNAL",
            "ALTER TABLE reconciliation_statementchunk ALTER COLUMN body SET STORAGE EXTENDED",
        )
    ]
