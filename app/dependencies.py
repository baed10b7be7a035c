"""What routes work with, typed.

As dependencies for most of them; all are `async`, for FastAPI calls others in a thread each. The
routes of tasks call the functions: resolving three dependencies takes as long as all else in them.
"""

from typing import Annotated

from fastapi import Depends, Request

from app.callers import Caller
from app.errors import AdminsOnlyError
from app.files import FileStore
from app.jobs import Jobs
from app.services import Services


def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def jobs_of(request: Request) -> Jobs:
    """The jobs of this cluster."""
    services: Services = request.scope["state"]["services"]
    return services.jobs


async def _services(request: Request) -> Services:
    services: Services = request.scope["state"]["services"]
    return services


async def _caller(request: Request) -> Caller:
    return caller_of(request)


async def _admin(request: Request) -> Caller:
    """Who may look after the whole cluster: everybody where there are no users."""
    caller = caller_of(request)
    if not caller.sees_all:
        raise AdminsOnlyError
    return caller


async def _jobs(request: Request) -> Jobs:
    return jobs_of(request)


async def _files(request: Request) -> FileStore:
    return (await _services(request)).files


ServicesDep = Annotated[Services, Depends(_services)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
FilesDep = Annotated[FileStore, Depends(_files)]
CallerDep = Annotated[Caller, Depends(_caller)]
AdminDep = Annotated[Caller, Depends(_admin)]
