"""How long a job may run, and how long its result is kept."""

from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from config.setting_groups.group import LONGEST_SECONDS, Seconds, SettingGroup


def _sixty_more_than(other: str) -> Any:
    return Field(default_factory=lambda data: data.get(other, 0) + 60)


class TimeLimitSettings(SettingGroup):
    """The ends of a job, each later than the one before, and that of its result."""

    soft_time_limit: Seconds = 86_400
    time_limit: Seconds = _sixty_more_than("soft_time_limit")
    visibility_timeout: Seconds = _sixty_more_than("time_limit")
    result_expires: float = Field(259_200, ge=1, le=LONGEST_SECONDS, allow_inf_nan=False)

    @field_validator("time_limit")
    @classmethod
    def _hard_after_soft(cls, value: float, info: ValidationInfo) -> float:
        return _more_than("soft_time_limit", value, info)

    @field_validator("visibility_timeout")
    @classmethod
    def _redelivery_after_hard(cls, value: float, info: ValidationInfo) -> float:
        return _more_than("time_limit", value, info)


def _more_than(other: str, value: float, info: ValidationInfo) -> float:
    bound = info.data.get(other)
    if bound is not None and value <= bound:
        raise ValueError(f"must be greater than {other.upper()}={bound:g}")
    return value
