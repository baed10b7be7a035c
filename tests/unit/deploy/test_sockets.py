import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.setting_groups.places import LONGEST_SOCKET_PATH
from config.settings import Settings
from deploy.sockets import prepare_sockets, remove_sockets, supervisor_socket

about_as_long_as_fits = pytest.mark.parametrize(
    "length", range(LONGEST_SOCKET_PATH - 30, LONGEST_SOCKET_PATH + 3)
)


def files_dir_of_length(tmp_path: Path, length: int) -> Path:
    """A FILES_DIR whose FASTTASK_FILES_DIR has a path of ``length`` characters."""
    parent = tmp_path / "fasttask"
    return tmp_path / ("d" * (length - len(str(parent)) - 1))


@pytest.fixture
def deep(node: Callable[..., Settings], tmp_path: Path) -> Settings:
    """A node whose path is too long for a socket."""
    return node(files_dir=files_dir_of_length(tmp_path, LONGEST_SOCKET_PATH + 50))


@about_as_long_as_fits
def test_the_supervisors_temporary_name_fits_as_well(
    node: Callable[..., Settings], tmp_path: Path, length: int
) -> None:
    settings = node(files_dir=files_dir_of_length(tmp_path, length))
    assert len(f"{supervisor_socket(settings)}.4194304") <= LONGEST_SOCKET_PATH


@about_as_long_as_fits
def test_where_the_sockets_fit_so_does_the_attempt(
    node: Callable[..., Settings], tmp_path: Path, length: int
) -> None:
    settings = node(files_dir=files_dir_of_length(tmp_path, length))
    prepare_sockets(settings)
    remove_sockets(settings)


def test_sockets_lie_with_the_nodes_files(node: Callable[..., Settings], tmp_path: Path) -> None:
    settings = node(files_dir=tmp_path / "f")
    before = set(settings.fasttask_files_dir.iterdir())
    prepare_sockets(settings)
    assert supervisor_socket(settings).parent == settings.fasttask_files_dir
    assert set(settings.fasttask_files_dir.iterdir()) == before, "a probe was left behind"


def test_a_deep_node_keeps_its_sockets_in_a_private_folder(deep: Settings) -> None:
    prepare_sockets(deep)
    folder = supervisor_socket(deep).parent
    assert deep.queue_socket == folder / "queue.sock"
    assert folder != deep.fasttask_files_dir
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_may_enter_is_refused(deep: Settings, mode: int) -> None:
    folder = supervisor_socket(deep).parent
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ConfigurationError, match="is not a folder that only user id"):
        prepare_sockets(deep)


def test_a_link_in_the_folders_place_is_refused(deep: Settings, tmp_path: Path) -> None:
    folder = supervisor_socket(deep).parent
    folder.symlink_to(tmp_path, target_is_directory=True)
    try:
        with pytest.raises(ConfigurationError, match="is not a folder that only user id"):
            prepare_sockets(deep)
    finally:
        folder.unlink()


def test_sockets_that_were_left_behind_are_removed(deep: Settings) -> None:
    prepare_sockets(deep)
    path = supervisor_socket(deep)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    remove_sockets(deep)
    assert not path.parent.exists()
