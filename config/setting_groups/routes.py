"""Which routes the API has."""

from config.setting_groups.group import SettingGroup


class RouteSettings(SettingGroup):
    """A switch per route; False removes it."""

    api_docs: bool = True
    api_redoc: bool = True
    api_status_info: bool = True
    api_run: bool = True
    api_create: bool = True
    api_check: bool = True
    api_revoke: bool = True
    api_file_download: bool = True
    api_file_upload: bool = True
    api_dead_letters: bool = True
