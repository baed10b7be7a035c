"""`/healthz` and `/readyz`: for whoever keeps the node alive."""

from fastapi import APIRouter

from app.dependencies import ServicesDep
from app.errors import NoWorkerError
from app.routes.refusals import REFUSALS

router = APIRouter(tags=["health"], responses=REFUSALS)


@router.get("/healthz", summary="Is this process alive?")
async def healthz() -> dict[str, str]:
    """Answers as long as the process does."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can this node do its work?")
async def readyz(services: ServicesDep) -> dict[str, str]:
    """200 if the queue server answers and, on a node with a worker, a worker is there; else 503."""
    statistics = await services.broker.statistics(())
    _ = services.jobs.running_id
    if services.settings.has_worker and not statistics.workers:
        raise NoWorkerError
    return {"status": "ready"}
