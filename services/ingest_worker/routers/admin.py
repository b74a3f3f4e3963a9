"""`/v1/admin`: what only an admin may ask for."""

from collections.abc import Sequence

from fastapi import APIRouter, Response

from services.ingest_worker.context import IngestContext
from services.ingest_worker.routers.dependencies import Admin, Context
from services.ingest_worker.upkeep.doctor import Diagnosis, Patient, examine
from services.ingest_worker.upkeep.rebuild import Rebuild
from services.ingest_worker.upkeep.schemas import (
    CostResponse,
    DifferenceResponse,
    DoctorRequest,
    DoctorResponse,
    PendingResponse,
    RebuildAnswer,
    RebuildRequest,
    RebuildResponse,
    RebuildsResponse,
    StuckResponse,
    WaitingJobResponse,
)
from shared.auth.principal import Principal
from shared.database.rebuilds import RebuildRow
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


@router.post(
    "/rebuild",
    summary="Make the points of collections anew",
    status_code=202,
    responses=documented(404, 409, 422)
    | {200: {"model": RebuildAnswer, "description": "A dry run: the cost alone."}},
)
async def begin_rebuild(
    context: Context, caller: Admin, response: Response, wish: RebuildRequest | None = None
) -> RebuildAnswer:
    """Embed the live chunks of a collection, or of all, once more; parse nothing.

    Vectors that the store still has are taken from there, and what is there answers queries until
    it is overwritten. New uploads go first. With `dry_run` only the cost is told.
    """
    asked = wish or RebuildRequest()
    rebuild = _rebuild(context, caller)
    costs = await rebuild.cost(asked.collection, from_empty=asked.from_empty)
    begun: Sequence[RebuildRow] = ()
    if asked.dry_run:
        response.status_code = 200
    else:
        begun = await rebuild.begin(asked.collection, from_empty=asked.from_empty)
        context.wake()
    return RebuildAnswer(
        costs=[CostResponse.model_validate(cost, from_attributes=True) for cost in costs],
        rebuilds=_rows(begun),
    )


@router.get("/rebuild", summary="Follow rebuilds")
async def list_rebuilds(context: Context, caller: Admin) -> RebuildsResponse:
    """List the newest rebuild of each collection, with how many chunks are left."""
    return RebuildsResponse(items=_rows(await _rebuild(context, caller).listed()))


def _rebuild(context: IngestContext, caller: Principal) -> Rebuild:
    return Rebuild(
        database=context.database,
        vectors=context.outside.vectors,
        tenant_id=caller.tenant_id,
        embedding=context.settings.embedding,
    )


def _rows(rows: Sequence[RebuildRow]) -> list[RebuildResponse]:
    return [RebuildResponse.model_validate(row, from_attributes=True) for row in rows]


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
