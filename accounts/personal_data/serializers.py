"""A data export as the API shows it."""

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.personal_data.exporting import link_token
from accounts.personal_data.models import DataExport
from paycore.fields import StrictSerializer


class DataExportSerializer(StrictSerializer):
    id = serializers.CharField(read_only=True, help_text=_("Begins with exp_."))
    object = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=DataExport.Status.choices, read_only=True)
    progress = serializers.IntegerField(read_only=True, min_value=0, max_value=100, help_text=_("In percent."))
    size_bytes = serializers.IntegerField(read_only=True, allow_null=True)
    download_url = serializers.CharField(
        read_only=True, allow_null=True, help_text=_("While the archive is there. It wants the access token as well.")
    )
    expires_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)


def present_export(export: DataExport) -> dict[str, Any]:
    is_ready = export.status == DataExport.Status.READY
    return {
        "id": export.id,
        "object": "data_export",
        "status": str(export.status),
        "progress": export.progress,
        "size_bytes": export.size_bytes if is_ready else None,
        "download_url": _link(export) if is_ready else None,
        "expires_at": export.expires_at,
        "created_at": export.created_at,
    }


def _link(export: DataExport) -> str:
    return f"{reverse('me_export_file', args=[export.id])}?{urlencode({'token': link_token(export)})}"
