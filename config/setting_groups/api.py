"""The API's processes and where they listen."""

from pydantic import Field, ValidationInfo, field_validator

from config.setting_groups.group import Port, cpu_count
from config.setting_groups.node import is_master
from config.setting_groups.queue_server import QueueServerSettings, needs_queue_address


class ApiSettings(QueueServerSettings):
    """How many processes serve HTTPS, at which address and port."""

    uvicorn_workers: int = Field(default_factory=cpu_count, ge=1, le=256)
    api_host: str = ""  # every address on a master, else loopback
    api_port: Port = 9001

    @field_validator("api_host")
    @classmethod
    def _master_listens_everywhere(cls, value: str, info: ValidationInfo) -> str:
        host = value.removeprefix("[").removesuffix("]")  # as URLs spell IPv6
        return host or ("0.0.0.0" if is_master(info) else "127.0.0.1")  # noqa: S104  its clients

    @field_validator("api_port")
    @classmethod
    def _own_port(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("task_queue_port") and not needs_queue_address(info):
            raise ValueError("is TASK_QUEUE_PORT already; give the API another one")
        return value
