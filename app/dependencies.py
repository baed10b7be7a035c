"""Typed dependencies of the routes. All are `async`: FastAPI calls others in a thread each."""

from typing import Annotated

from fastapi import Depends, Request

from app.files import FileStore
from app.jobs import Jobs
from app.services import Services


async def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


async def _user(request: Request) -> str:
    user: str = request.state.user
    return user


async def _admin(request: Request) -> str:
    """Who may look after the whole cluster: until there are admin permissions, every user."""
    return await _user(request)


async def _jobs(request: Request) -> Jobs:
    return (await _services(request)).jobs


async def _files(request: Request) -> FileStore:
    return (await _services(request)).files


ServicesDep = Annotated[Services, Depends(_services)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
FilesDep = Annotated[FileStore, Depends(_files)]
UserDep = Annotated[str, Depends(_user)]
AdminDep = Annotated[str, Depends(_admin)]
