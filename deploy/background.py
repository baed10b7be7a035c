"""A node in the background, watched while it starts."""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from config.settings import Settings
from deploy.detached import Detached
from deploy.health import ailment
from deploy.logs import end_of, log_files, sizes
from deploy.parts import Part, SupervisorSilent, parts_of_node
from deploy.run import run_checked
from deploy.stop import remove_traces, stop
from deploy.waiting import Wait

STARTS_IN_VAIN = 3  # a part that ended so often before the node was ready will not get ready


class StartFailed(Exception):
    """The node did not come up; the message says why, the files in ``logs`` hold the details."""

    def __init__(self, reason: str, logs: Iterable[Path]) -> None:
        super().__init__(reason)
        self.logs = tuple(logs)


class BackgroundNode:
    """A node that was started just now, by this process."""

    def __init__(self, settings: Settings) -> None:
        """Start it; it was checked before."""
        self._settings = settings
        self._log = settings.log_dir / "node.log"
        self._sizes = sizes(log_files(settings))
        self._starts: dict[str, set[int]] = defaultdict(set)  # by the part's name
        self._supervisor = Detached(partial(run_checked, settings), self._log)

    def wait_until_healthy(self, seconds: float) -> str | None:
        """Wait until the node is healthy; what it still ails from after ``seconds``.

        Raises:
            StartFailed: it ended, or one of its parts does so again and again.
        """
        wait = Wait(seconds, "starting")
        for _ in wait:
            reason = ailment(self._settings)
            if reason is None:
                return None
            wait.reason = reason
            self._check_alive()
        return wait.reason

    def ends_of(self, logs: Iterable[Path]) -> list[str]:
        """The last lines that this start has added to each of the logs."""
        marks = {**self._sizes, self._log: 0}  # its own log begins anew with every start
        return [line for log in logs for line in end_of(log, marks.get(log, 0))]

    def undo(self) -> None:
        """Leave nothing running."""
        stop(self._supervisor.pid, self._settings.grace_seconds)
        self._supervisor.wait()
        remove_traces(self._settings)

    def _check_alive(self) -> None:
        if self._supervisor.has_ended():
            raise StartFailed("the node ended while it was starting", [self._log])
        try:
            parts = parts_of_node(self._settings)
        except SupervisorSilent:  # it is about to listen
            return
        for part in parts:
            self._check_part(part)

    def _check_part(self, part: Part) -> None:
        if part.started:
            self._starts[part.name].add(part.started)
        if len(self._starts[part.name]) >= STARTS_IN_VAIN:
            starts = f"{STARTS_IN_VAIN} starts so far"
            raise StartFailed(f"the part '{part.name}' keeps ending, {starts}", [part.log])
