"""What a node writes down about its users, and when it removes their files."""

from pydantic import Field

from config.setting_groups.time_limits import TimeLimitSettings


class UpkeepSettings(TimeLimitSettings):
    """The audit log and the removal of old files."""

    audit_log: bool = True
    file_cleanup_enabled: bool = True
    file_expiration_seconds: float = Field(
        default_factory=lambda data: max(60, data.get("soft_time_limit", 60) * 10), ge=60
    )
