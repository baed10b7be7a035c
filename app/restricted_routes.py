"""Routes that are not for every caller: those of a task, and those for admins."""

from starlette.routing import Match
from starlette.types import Scope

from app.strict_json import StrictRoute


class TaskRoute(StrictRoute):
    """A route that ends with the name of its task.

    It is not matched rather than refused, so that a caller sees exactly what he would see of a
    task that nobody wrote: in body, status and methods, with and without a slash at the end.
    """

    @property
    def task(self) -> str:
        """Its task."""
        return self.path.rpartition("/")[2]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI's, for those who may run the task."""
        match, child_scope = super().matches(scope)
        if match is not Match.NONE and not scope["state"]["caller"].may_run(self.task):
            return Match.NONE, {}
        return match, child_scope


class AdminRoute(StrictRoute):
    """A route that is described to admins only; AdminDep refuses the others."""
