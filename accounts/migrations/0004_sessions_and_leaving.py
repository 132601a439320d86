from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_personal_data"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="closing_reason",
            field=models.CharField(blank=True, default="", max_length=300, verbose_name="why it was closed"),
        ),
        migrations.AddField(
            model_name="user",
            name="session_generation",
            field=models.IntegerField(default=0, editable=False, verbose_name="generation of sessions"),
        ),
    ]
