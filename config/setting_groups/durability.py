"""What an acknowledged job survives."""

from typing import Literal

from config.setting_groups.group import SettingGroup


class DurabilitySettings(SettingGroup):
    """How well a queue server has to keep jobs: a user's own one, and the node's."""

    task_queue_may_lose_jobs: bool = False
    durability: Literal["everysec", "always"] = "everysec"
