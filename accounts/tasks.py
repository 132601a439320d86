"""The clock of accounts. Each task looks for due rows, may run twice at once, and may be lost."""

from celery import shared_task

from accounts.kyc.services import delete_documents, due_cases
from accounts.leaving.erasing import continue_erasure, due_erasures
from accounts.personal_data.exporting import build_export, due_expiries, due_exports, expire_export
from accounts.signing_in.ended import forget_ended_sessions as forget_ended
from accounts.signing_in.unfinished import forget_unfinished
from paycore.clock import database_now

BATCH = 20


@shared_task
def build_data_exports() -> int:
    """One at a time: an archive takes seconds, and a claimed one waits for nobody else."""
    built = 0
    while built < BATCH and (found := due_exports(limit=1)):
        build_export(found[0])
        built += 1
    return built


@shared_task
def expire_data_exports() -> int:
    export_ids = due_expiries(limit=BATCH)
    for export_id in export_ids:
        expire_export(export_id, now=database_now())
    return len(export_ids)


@shared_task
def erase_people() -> int:
    erased = 0
    while erased < BATCH and (found := due_erasures(limit=1)):
        continue_erasure(found[0], now=database_now())
        erased += 1
    return erased


@shared_task
def delete_identity_documents() -> int:
    case_ids = due_cases(limit=BATCH)
    for case_id in case_ids:
        delete_documents(case_id)
    return len(case_ids)


@shared_task
def forget_unfinished_sign_ups() -> int:
    return forget_unfinished()


@shared_task
def forget_ended_sessions() -> int:
    return forget_ended()
