"""Typed dependencies of the routes."""

from typing import Annotated

from fastapi import Depends, Request

from app.files import FileStore
from app.jobs import Jobs
from app.services import Services


def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


def _user(request: Request) -> str:
    user: str = request.state.user
    return user


def _admin(request: Request) -> str:
    """Who may look after the whole cluster: until there are admin permissions, every user."""
    return _user(request)


def _jobs(request: Request) -> Jobs:
    return _services(request).jobs


def _files(request: Request) -> FileStore:
    return _services(request).files


ServicesDep = Annotated[Services, Depends(_services)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
FilesDep = Annotated[FileStore, Depends(_files)]
UserDep = Annotated[str, Depends(_user)]
AdminDep = Annotated[str, Depends(_admin)]
