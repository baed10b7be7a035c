"""Who makes a request, and what that allows."""

from dataclasses import dataclass

from config.nobody import NOBODY, NODE
from config.users import EVERY_TASK, is_among


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in."""

    name: str
    tasks: tuple[str, ...] = EVERY_TASK  #: patterns of what he may run
    sees_all: bool = False  #: jobs and files of everybody, and may look after the cluster

    def may_run(self, task: str) -> bool:
        """Whether this task exists as far as this caller is concerned."""
        return is_among(task, self.tasks)

    def owns(self, owner: str | None) -> bool:
        """Whether what belongs to ``owner`` exists as far as this caller is concerned."""
        return self.sees_all or owner == self.name


ANONYMOUS = Caller(NOBODY, sees_all=True)  # everybody, where there are no users
THIS_NODE = Caller(NODE, sees_all=True)  # the commands of whoever runs this node
