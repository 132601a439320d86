from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_disputes")]
    operations = [
        migrations.AddField(
            model_name="checkoutsession",
            name="app_return_url",
            field=models.CharField(blank=True, default="", max_length=500, verbose_name="way back to the app"),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="country",
            field=models.CharField(blank=True, default="", max_length=2, verbose_name="payer's country"),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="wechat_openid",
            field=models.CharField(blank=True, default="", max_length=128, verbose_name="payer's WeChat id"),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="payer_token_hash",
            field=models.BinaryField(blank=True, max_length=32, null=True, verbose_name="payer token (hash)"),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="payer_token_expires_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="payer token good until"),
        ),
    ]
