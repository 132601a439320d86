"""Building a person's archive: asked for at once, built in the background, sealed, gone after a day."""

import io
import json
import zipfile
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core import signing
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from rest_framework.utils.encoders import JSONEncoder

from accounts.models import User
from accounts.personal_data.models import DataExport, DataExportPart
from accounts.personal_data.sections import sections
from accounts.personal_data.transitions import DATA_EXPORT_STATES
from paycore.alerts import raise_alert
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import Conflict, NotFound, PaycoreError, PermissionRefused
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify

LEASE = timedelta(seconds=90)
MAX_ATTEMPTS = 5
MAX_A_DAY = 5
PART_BYTES = 1024 * 1024
MAX_ARCHIVE_BYTES = 128 * 1024 * 1024
_LINK_SALT = "paycore data export"

log = structlog.get_logger(__name__)


class ExportUnderWay(Conflict):
    code = "export_under_way"
    title = _("An archive of your data is being built already.")


class TooManyExports(PaycoreError):
    code, http_status = "too_many_exports", 429
    title = _("You have asked for your data too often today.")


class ExportNotReady(Conflict):
    code = "export_not_ready"
    title = _("The archive is not ready yet.")


class ExportExpired(PaycoreError):
    code, http_status = "export_expired", 410
    title = _("The archive is gone. Ask for a new one.")


class DownloadLinkRefused(PermissionRefused):
    code = "download_link_refused"
    title = _("This link is not valid any more. Ask for the export again to get a new one.")


class ArchiveTooLarge(Exception):
    """More data than one archive takes: a person must help."""


def request_export(user_id: str, *, now: datetime) -> DataExport:
    """A new export that a worker builds; one at a time, few a day."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user_id)
        exports = DataExport.objects.filter(user_id=user_id)
        if exports.filter(status__in=["waiting", "running"]).exists():
            raise ExportUnderWay
        if exports.filter(created_at__gt=now - timedelta(days=1)).count() >= MAX_A_DAY:
            raise TooManyExports(retry_after_seconds=3600)
        export = DataExport.objects.create(user_id=user_id, next_attempt_at=now)
    export.refresh_from_db()
    return export


def due_exports(*, limit: int) -> list[str]:
    """Exports to build, those of a builder that died included."""
    return claim_due(DataExport, lease=LEASE, limit=limit, condition="status IN ('waiting', 'running')")


def due_expiries(*, limit: int) -> list[str]:
    return claim_due(DataExport, lease=LEASE, limit=limit, condition="status = 'ready'")


def build_export(export_id: str) -> bool:
    """Build from the beginning, however far an earlier builder came; whether the archive is there now."""
    export = _begin(export_id)
    if export is None:
        return False
    try:
        archive = _collect(export)
    except ArchiveTooLarge:
        _give_up(export.id, reason="archive too large")
        return False
    return _finish(export.id, archive=archive)


def expire_export(export_id: str, *, now: datetime) -> bool:
    """Delete an archive whose time is over; whether it was."""
    with transaction.atomic():
        export = DataExport.objects.select_for_update().get(id=export_id)
        if export.status != DataExport.Status.READY or export.expires_at is None or export.expires_at > now:
            return False
        _drop(export, status=DataExport.Status.EXPIRED)
    return True


def drop_exports(user_id: str) -> None:
    """Every archive of a person, also one that is being built."""
    with transaction.atomic():
        for export in DataExport.objects.select_for_update().filter(user_id=user_id):
            if export.status == DataExport.Status.READY:
                _drop(export, status=DataExport.Status.EXPIRED)
            elif export.status in (DataExport.Status.WAITING, DataExport.Status.RUNNING):
                _drop(export, status=DataExport.Status.FAILED)


def export_of(user_id: str, export_id: str) -> DataExport:
    """NotFound also for another's."""
    export = DataExport.objects.filter(id=export_id, user_id=user_id).first()
    if export is None:
        raise NotFound
    return export


def link_token(export: DataExport) -> str:
    """What a download link carries: good for this person and this archive, until the archive goes."""
    return signing.dumps([export.id, export.user_id], salt=_LINK_SALT)


def open_export(user_id: str, export_id: str, *, token: str, now: datetime) -> DataExport:
    """The archive behind a link, checked for whoever follows it."""
    export = export_of(user_id, export_id)
    try:
        named = signing.loads(token, salt=_LINK_SALT, max_age=settings.PAYCORE_EXPORT_HOURS * 3600)
    except signing.BadSignature as error:
        raise DownloadLinkRefused from error
    if named != [export.id, user_id]:
        raise DownloadLinkRefused
    if export.status in (DataExport.Status.WAITING, DataExport.Status.RUNNING):
        raise ExportNotReady
    if export.status != DataExport.Status.READY or export.expires_at is None or export.expires_at <= now:
        raise ExportExpired
    return export


def _begin(export_id: str) -> DataExport | None:
    with transaction.atomic():
        export = DataExport.objects.select_for_update().get(id=export_id)
        if export.status not in (DataExport.Status.WAITING, DataExport.Status.RUNNING):
            return None
        if export.attempts < MAX_ATTEMPTS:
            export.attempts += 1
            if export.status == DataExport.Status.WAITING:
                export.status = DataExport.Status.RUNNING
            export.progress = 0
            export.save(update_fields=["attempts", "status", "progress"])
            return export
    _give_up(export_id, reason="five attempts")
    return None


def _collect(export: DataExport) -> bytes:
    """The ZIP: ``data.json`` and the sections' files. In memory only, for the disk seals nothing."""
    held = io.BytesIO()
    documents: dict[str, Any] = {"user": export.user_id, "collected_at": database_now()}
    parts = sections()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, section in enumerate(parts, start=1):
            collected = section.collect(export.user_id)
            documents[section.name] = collected.document
            for attachment in collected.attachments:
                archive.writestr(attachment.path, attachment.content)
                _bound(held)
            _note_progress(export.id, percent=95 * number // len(parts))
        text = json.dumps(documents, cls=JSONEncoder, ensure_ascii=False, indent=2)
        archive.writestr("data.json", text.encode())
    _bound(held)
    return held.getvalue()


def _bound(held: io.BytesIO) -> None:
    if held.tell() > MAX_ARCHIVE_BYTES:
        raise ArchiveTooLarge


def _note_progress(export_id: str, *, percent: int) -> None:
    """Also prolongs the lease: who makes progress is not taken over."""
    DataExport.objects.filter(id=export_id, status=DataExport.Status.RUNNING).update(
        progress=percent, next_attempt_at=database_now() + LEASE
    )


def _finish(export_id: str, *, archive: bytes) -> bool:
    now = database_now()
    with transaction.atomic():
        export = DataExport.objects.select_for_update().get(id=export_id)
        if export.status != DataExport.Status.RUNNING:  # another builder was faster, or the person is gone
            return False
        export.parts.all().delete()
        for number, start in enumerate(range(0, len(archive), PART_BYTES)):
            DataExportPart.objects.create(export=export, number=number, content=archive[start : start + PART_BYTES])
        export.status, export.progress, export.size_bytes = DataExport.Status.READY, 100, len(archive)
        export.ready_at, export.expires_at = now, now + timedelta(hours=settings.PAYCORE_EXPORT_HOURS)
        export.next_attempt_at = export.expires_at
        export.save()
        notify(
            template="export_ready",
            to=Recipient(user_id=export.user_id),
            context={"export_id": export.id, "expires_at": export.expires_at.isoformat()},
            key=f"export_ready:{export.id}",
        )
    return True


def _give_up(export_id: str, *, reason: str) -> None:
    now = database_now()
    with transaction.atomic():
        export = DataExport.objects.select_for_update().get(id=export_id)
        if export.status not in (DataExport.Status.WAITING, DataExport.Status.RUNNING):
            return
        _drop(export, status=DataExport.Status.FAILED)
    raise_alert(what=f"data export given up: {reason}", object_id=export_id, now=now)


def _drop(export: DataExport, *, status: str) -> None:
    DATA_EXPORT_STATES.require(export.status, status)
    export.parts.all().delete()
    export.status, export.next_attempt_at, export.size_bytes = status, None, 0
    export.save(update_fields=["status", "next_attempt_at", "size_bytes"])
