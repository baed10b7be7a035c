"""Typed dependencies of the routes. All are `async`: FastAPI calls others in a thread each."""

from typing import Annotated

from fastapi import Depends, Request

from app.callers import Caller
from app.errors import AdminsOnlyError
from app.files import FileStore
from app.jobs import Jobs
from app.services import Services


async def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _admin(request: Request) -> Caller:
    """Who may look after the whole cluster: everybody where there are no users."""
    caller = await _caller(request)
    if not caller.sees_all:
        raise AdminsOnlyError
    return caller


async def _jobs(request: Request) -> Jobs:
    return (await _services(request)).jobs


async def _files(request: Request) -> FileStore:
    return (await _services(request)).files


ServicesDep = Annotated[Services, Depends(_services)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
FilesDep = Annotated[FileStore, Depends(_files)]
CallerDep = Annotated[Caller, Depends(_caller)]
AdminDep = Annotated[Caller, Depends(_admin)]
