"""`/v1/admin`: what only an admin may ask for."""

from fastapi import APIRouter

from services.ingest_worker.doctor import Diagnosis, Patient, examine
from services.ingest_worker.doctor_schemas import (
    DifferenceResponse,
    DoctorRequest,
    DoctorResponse,
    PendingResponse,
    StuckResponse,
    WaitingJobResponse,
)
from services.ingest_worker.routers.dependencies import Admin, Context
from shared.web.problems import documented

router = APIRouter(prefix="/v1/admin", tags=["admin"], responses=documented(401, 403, 503))


@router.post("/doctor", summary="Compare the stores and mend them", responses=documented(422))
async def run_doctor(
    context: Context, caller: Admin, wish: DoctorRequest | None = None
) -> DoctorResponse:
    """Compare Postgres, the vector store and the blobs of the caller's tenant.

    With `fix`, missing points are queued to be embedded anew, and points and bytes that nothing
    knows are removed. Clean-up that is under way is `pending` and no difference.
    """
    asked = wish or DoctorRequest()
    patient = Patient(
        database=context.database,
        vectors=context.outside.vectors,
        blobs=context.blobs,
        tenant_id=caller.tenant_id,
        fix=asked.fix,
    )
    diagnosis = await examine(patient, budget_s=asked.budget_s)
    if asked.fix:
        context.wake()
    return _shown(diagnosis)


def _shown(diagnosis: Diagnosis) -> DoctorResponse:
    waiting = diagnosis.waiting
    return DoctorResponse(
        well=diagnosis.well,
        complete=diagnosis.complete,
        differences=[
            DifferenceResponse.model_validate(one, from_attributes=True)
            for one in diagnosis.differences
        ],
        pending=PendingResponse.model_validate(diagnosis.pending, from_attributes=True),
        stuck=StuckResponse(
            expired_leases=diagnosis.stuck.expired_leases,
            past_deadline=diagnosis.stuck.past_deadline,
            sweep_age_s=diagnosis.sweep_age_s,
            waiting_for_operator=waiting[0].of if waiting else 0,
            waiting=[
                WaitingJobResponse.model_validate(one, from_attributes=True) for one in waiting
            ],
        ),
    )
