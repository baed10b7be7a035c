"""What the API takes of its clients: how much at once, how large, how slow."""

from typing import Annotated

from pydantic import Field

from config.setting_groups.group import Count, Seconds, SettingGroup

# Levels of lists and objects that the reader of request bodies takes.
DEEPEST_JSON = 200


class RequestLimitSettings(SettingGroup):
    """The limits of connections, requests and their bodies."""

    max_connections: Count = Field(4096, ge=16)
    max_requests_per_second: float = Field(5000, ge=0, allow_inf_nan=False)  # 0: no limit
    max_waiting_jobs: Count = Field(0, ge=0)  # of one user; 0: no limit
    max_params_depth: int = Field(DEEPEST_JSON, ge=1, le=DEEPEST_JSON)
    max_params_values: Count = Field(250_000, ge=100)
    request_read_seconds: Seconds = 20
    answer_read_seconds: Annotated[float, Field(gt=0, le=86_400)] = 120
    max_body_bytes: Count = Field(16 * 2**20, ge=1024)
    max_upload_bytes: Count = Field(4 * 2**30, ge=1024)
