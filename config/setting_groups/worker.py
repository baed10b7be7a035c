"""A node's worker: its processes, and how it keeps the jobs that it has taken."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from config.setting_groups.group import Count, Seconds, SettingGroup, cpu_count


class WorkerSettings(SettingGroup):
    """How a worker runs jobs: how many at once, in what, and on what lease."""

    worker_pool: Literal["prefork", "gevent"] = "prefork"
    worker_concurrency: int = Field(default_factory=cpu_count, ge=1, le=1024)
    worker_tag: str = Field("worker", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    worker_jobs_per_child: Count = Field(1000, ge=1)
    max_result_bytes: int = Field(64 * 2**20, ge=1024, le=256 * 2**20)
    lease_seconds: Seconds = 30
    heartbeat_seconds: Seconds = 5
    grace_seconds: float = Field(5, ge=0, le=3600)

    @field_validator("worker_pool")
    @classmethod
    def _only_processes_yet(cls, value: str) -> str:
        if value != "prefork":
            raise ValueError("is not available in this version; use prefork")
        return value

    @field_validator("heartbeat_seconds")
    @classmethod
    def _three_beats_a_lease(cls, value: float, info: ValidationInfo) -> float:
        lease = info.data.get("lease_seconds", value * 3)
        if value * 3 > lease:
            raise ValueError(
                f"must be at most a third of LEASE_SECONDS={lease:g}, "
                "or one lost beat would lose the lease"
            )
        return value
