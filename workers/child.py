"""A child process: runs one job after the other in its main thread, and never anything else.

User code is called in one place, :func:`run_job`, which never raises: whatever the code does, short
of killing the process, comes back as an Outcome.
"""

import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from config.finite import holds_non_finite
from config.parent import adopt_orphans
from config.registry import TaskSpec
from config.task_rules import CONCURRENCY_FIELD
from workers.frames import framed, read_frames
from workers.outcome import Ending, Outcome, outcome_of_text
from workers.resource_limits import cpu_time_limit, limit_memory, limit_open_files
from workers.soft_limit import SoftTimeLimitExceeded, begin_to_watch, soft_time_limit
from workers.tickets import TICKET, usable_tickets

# Short of memory, the kernel should take a task and not the queue server. See
# proc_pid_oom_score_adj(5).
OOM_SCORE_ADJUSTMENT = "500"


class UnreadableJobError(Exception):
    """The stored job cannot be run; the message says why."""


class ResultMismatchError(Exception):
    """The function returned something else than a Result; the message names the fields."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What one job may take up."""

    soft_seconds: float  #: then SoftTimeLimitExceeded is raised inside the function
    result_bytes: int  #: of a Result as JSON
    memory_bytes: int = 0  #: that its process may take beyond what it begins with; 0: no limit
    cpu_seconds: int = 0  #: of CPU time; 0: no limit
    open_files: int = 0  #: at once; 0: no limit of its own


def serve_jobs(
    connection: socket.socket, tickets: int, specs: Mapping[str, TaskSpec], limits: JobLimits
) -> None:
    """Answer every job that comes over ``connection`` with its outcome, until it closes.

    ``tickets`` is the reading end of the pipe with the right to start them.
    """
    become_a_task_process()
    begin_to_watch(limits.soft_seconds)
    limit_memory(limits.memory_bytes)
    limit_open_files(limits.open_files)
    own_pid = os.getpid()
    for task, job in startable_jobs(connection, tickets):
        outcome = run_job(specs[task], job, limits)
        if os.getpid() != own_pid:  # the task forked and its copy returned: it must not answer
            os._exit(0)
        connection.sendall(framed(outcome.ending, outcome.result))


def startable_jobs(connection: socket.socket, tickets: int) -> Iterator[tuple[str, bytes]]:
    """Task and data of each job that has its ticket; the others were taken back."""
    frames = read_frames(connection)
    for ticket in usable_tickets(tickets):
        frame = _frame_with(ticket, frames)
        if frame is None:  # the connection was closed
            return
        task, _, job = frame[TICKET.size :].partition(b"\0")
        yield task.decode(), job


def _frame_with(ticket: bytes, frames: Iterator[bytes]) -> bytes | None:
    for frame in frames:
        if frame.startswith(ticket):
            return frame
    return None


def become_a_task_process() -> None:
    """Leave behind what was inherited from the fork server."""
    os.setsid()
    adopt_orphans()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJUSTMENT)
    generator = getattr(sys.modules.get("numpy"), "random", None)  # a task may have that name
    if generator is not None:  # the standard library's reseeds itself after a fork
        generator.seed()


def run_job(spec: TaskSpec, job: bytes, limits: JobLimits) -> Outcome:
    """Run one stored job; its outcome, whatever happens."""
    try:
        arguments = read_arguments(spec, job)
    except UnreadableJobError as error:
        return outcome_of_text(Ending.UNREADABLE, str(error))
    except BaseException as error:
        return outcome_of_text(Ending.FAILURE, describe(error, skip=1))
    try:
        with soft_time_limit(limits.soft_seconds), cpu_time_limit(limits.cpu_seconds):
            returned = spec.function(**arguments)
        return Outcome(Ending.SUCCESS, checked_result(spec, returned, limits.result_bytes))
    except ResultMismatchError as error:
        return outcome_of_text(Ending.FAILURE, str(error))
    except SoftTimeLimitExceeded as error:
        return outcome_of_text(Ending.SOFT_TIMEOUT, describe(error, skip=1))
    except BaseException as error:
        return outcome_of_text(Ending.FAILURE, describe(error, skip=1))


def read_arguments(spec: TaskSpec, job: bytes) -> dict[str, Any]:
    """The keyword arguments that a stored job has for its function.

    A job made by the gateway was checked there; one enqueued by an arq client is checked here.
    """
    try:
        fields = from_json(job)  # unlike orjson it keeps integers of any size exact
        function, positional, arguments = fields["f"], fields["a"], fields["k"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableJobError(f"the stored job is not arq's JSON: {error!r}") from None
    if function != spec.name:
        raise UnreadableJobError(f"a job for {function!r} lies in the queue of {spec.name!r}")
    if positional:
        raise UnreadableJobError("the job has positional arguments; pass keywords")
    if fields.get("v") is True:
        written: dict[str, Any] = arguments
        written.pop(CONCURRENCY_FIELD, None)  # a serializer of Params may write it all the same
        return written
    params = spec.params.model_validate(arguments)
    return params.model_dump(mode="json", by_alias=False, exclude_computed_fields=True)


def checked_result(spec: TaskSpec, returned: Any, most_bytes: int) -> bytes:
    """What the function returned, checked against Result, as JSON.

    Raises:
        ResultMismatchError: it does not match, the message names the fields; it is no JSON, or
            more of it than ``most_bytes``.
    """
    try:
        result, written = _written(spec.result, returned)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors()
        )
        text = f"{spec.name} returned what does not match Result: {wrong}"
        raise ResultMismatchError(text) from None
    except PydanticSerializationError as error:  # such as half a surrogate pair
        text = f"{spec.name} returned what cannot be written as JSON: {error}"
        raise ResultMismatchError(text) from None
    if b"null" in written and holds_non_finite(result.model_dump()):
        text = (
            f"{spec.name} returned a number that is infinite or none (NaN), which JSON does not "
            "have; return None where Result allows that, or a text"
        )
        raise ResultMismatchError(text)
    if len(written) > most_bytes:
        text = (
            f"{spec.name} returned a result of {len(written)} bytes as JSON, more than "
            f"MAX_RESULT_BYTES={most_bytes}; return the name of a file below FILES_DIR instead"
        )
        raise ResultMismatchError(text)
    return written


def _written(model: type[BaseModel], returned: Any) -> tuple[BaseModel, bytes]:
    """What was returned as a Result, and as JSON.

    A Result was checked when it was made, and its validators need not take what they have made. One
    that was changed since may be none any more, which shows when it is written.
    """
    write = model.__pydantic_serializer__.to_json
    if isinstance(returned, model):
        with contextlib.suppress(PydanticSerializationError):
            return returned, write(returned, by_alias=True, warnings="error")
    value = returned.model_dump(warnings=False) if isinstance(returned, BaseModel) else returned
    result = model.__pydantic_validator__.validate_python(value, by_alias=True, by_name=True)
    return result, write(result, by_alias=True)


def describe(error: BaseException, skip: int) -> str:
    """The traceback of ``error`` without its first ``skip`` frames, which are ours."""
    try:
        return "".join(traceback.format_exception(type(error), error, _below(error, skip)))
    except BaseException as another:  # its __str__, __cause__ ... are user code as well
        return f"{type(error).__name__} (its traceback raised {type(another).__name__})"


def _below(error: BaseException, skip: int) -> TracebackType | None:
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace is not None else None
    return trace
