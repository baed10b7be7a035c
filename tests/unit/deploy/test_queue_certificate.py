from collections.abc import Callable

from config.settings import Settings
from deploy.certificate import make_certificate
from deploy.queue_certificate import tell


def test_before_the_servers_first_start_there_is_nobody_to_tell(
    node: Callable[..., Settings],
) -> None:
    settings = node()
    make_certificate(settings)
    assert not settings.queue_admin_password_file.exists()
    assert not tell(settings)
