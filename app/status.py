"""What `status_info` answers, from the queue's counters."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.callers import Caller
from workers.queue.records import State, Statistics

WINDOW_NAMES = {60: "1_minute", 900: "15_minute", 3600: "1_hour", 86400: "1_day"}
Workers = Mapping[str, dict[str, Any]]  #: by name, the presence of each

COUNTED_ENDS = (State.SUCCESS, State.FAILURE)


def worker_status(workers: Workers) -> dict[str, Any]:
    """Who is there and what they do."""
    return {
        "online_worker_count": len(workers),
        "online_workers_list": sorted(workers),
        "worker_details": workers,
    }


def running_jobs(workers: Workers) -> list[str]:
    """The ids of all jobs that run."""
    return [job["id"] for worker in workers.values() for job in worker["active_tasks"]]


def as_seen_by(caller: Caller, own_jobs: Collection[str], workers: Workers) -> Workers:
    """The workers with what concerns this caller: the tasks that he may run, and his jobs."""
    return {
        name: {
            **worker,
            "tasks": [task for task in worker["tasks"] if caller.may_run(task)],
            "active_tasks": [job for job in worker["active_tasks"] if job["id"] in own_jobs],
        }
        for name, worker in workers.items()
    }


def task_info(statistics: Statistics, tasks: Sequence[str]) -> dict[str, Any]:
    """``task_info_total`` and a ``task_info_{task}`` each."""
    each = {f"task_info_{task}": _info_of(statistics, [task]) for task in tasks}
    return {"task_info_total": _info_of(statistics, tasks), **each}


def _info_of(statistics: Statistics, tasks: Sequence[str]) -> dict[str, Any]:
    completed = {
        f"{state.lower()}_in_{name}": _sum(statistics.completed_since[seconds], tasks, state)
        for state in COUNTED_ENDS
        for seconds, name in WINDOW_NAMES.items()
    }
    seconds_of = {name: seconds for seconds, name in WINDOW_NAMES.items()}
    rates = {
        key: round(count / seconds_of[key.partition("_in_")[2]], 2)
        for key, count in completed.items()
    }
    return {
        "status_to_amount": _amounts(statistics, tasks),
        "completed_counts": completed,
        "throughput_rates_per_second": rates,
    }


def _amounts(statistics: Statistics, tasks: Sequence[str]) -> dict[str, int]:
    amounts = {state: _sum(statistics.totals, tasks, state) for state in State}
    waiting = sum(statistics.waiting[task] for task in tasks)
    amounts[State.PENDING] = max(0, waiting - amounts[State.RETRY])
    return {str(state): amount for state, amount in amounts.items()}


def _sum(counters: dict[str, int], tasks: Sequence[str], state: State) -> int:
    return sum(counters.get(f"{task}:{state}", 0) for task in tasks)
