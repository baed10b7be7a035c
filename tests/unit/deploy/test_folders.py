import os
import resource
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.settings import Settings, load_settings
from deploy.checks import check_node
from deploy.folders import make_folders
from tests.closed_folder import not_to_be_entered, not_to_be_written
from tests.ports import kept_port

OTHER_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108  a folder of its own is made there


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_folders_are_made(node: Callable[..., Settings]) -> None:
    settings = node()
    for name in ("files_dir", "fasttask_files_dir", "log_dir", "conf_dir", "redis_dir"):
        assert getattr(settings, name).is_dir()


@pytest.mark.parametrize("name", ["conf_dir", "redis_dir", "ssl_cert_dir"])
def test_secret_folders_are_closed_to_others(node: Callable[..., Settings], name: str) -> None:
    assert mode(getattr(node(), name)) == 0o700


def test_a_secret_folder_that_was_opened_is_closed_again(node: Callable[..., Settings]) -> None:
    settings = node()
    settings.conf_dir.chmod(0o755)
    make_folders(settings)
    assert mode(settings.conf_dir) == 0o700


@pytest.mark.parametrize("name", ["conf_dir", "redis_dir"])
def test_the_mode_of_a_folder_that_others_use_is_not_changed(tmp_path: Path, name: str) -> None:
    others = tmp_path / "others"
    others.mkdir(mode=0o755)
    (others / "theirs").touch()
    make_folders(load_settings(files_dir=tmp_path / "files", **{name: others}))
    assert mode(others) == 0o755


def test_a_folder_of_certificates_of_others_is_not_touched(tmp_path: Path) -> None:
    others = tmp_path / "trusted"
    others.mkdir(mode=0o755)
    (others / "authority.crt").touch()
    make_folders(load_settings(files_dir=tmp_path / "files", ssl_cert_dir=others))
    assert mode(others) == 0o755
    assert [path.name for path in others.iterdir()] == ["authority.crt"]


def test_a_folder_without_permission_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    settings = load_settings(files_dir=tmp_path / "files")
    with not_to_be_written(tmp_path), pytest.raises(ConfigurationError) as caught:
        user, group = os.geteuid(), os.getegid()
        make_folders(settings)
    (line,) = caught.value.lines
    assert f"FILES_DIR={settings.files_dir}: user id {user} may not write there" in line
    assert f"sudo chown -R {user}:{group} {settings.files_dir}" in line


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "files").touch()
    with pytest.raises(ConfigurationError, match=r"FILES_DIR=.*files: .*choose another folder"):
        make_folders(load_settings(files_dir=tmp_path / "files"))


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # as if no block were free
    try:
        with pytest.raises(ConfigurationError, match=r"FILES_DIR=.*files: .*; make room there"):
            make_folders(load_settings(files_dir=tmp_path / "files"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_of_certificates_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    os.chdir("/")  # where nothing is closed
    with not_to_be_entered(tmp_path / "closed"):
        settings = load_settings(files_dir=tmp_path / "files", ssl_cert_dir=tmp_path / "closed/ssl")
        with pytest.raises(ConfigurationError) as caught:
            make_folders(settings)
    said = f"SSL_CERT_DIR={tmp_path}/closed/ssl: Permission denied; choose another folder"
    assert caught.value.lines[-1] == said


def test_every_folder_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wrong = {"log_dir": tmp_path / "file", "conf_dir": tmp_path / "file" / "conf"}
    with pytest.raises(ConfigurationError) as caught:
        make_folders(
            load_settings(files_dir=tmp_path / "files", **wrong, redis_dir=wrong["log_dir"])
        )
    assert [line.split("=")[0] for line in caught.value.lines] == ["LOG_DIR"]


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A folder that nothing can be moved to from the test's own."""
    if not OTHER_FILE_SYSTEM.is_dir() or OTHER_FILE_SYSTEM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as folder:
        yield Path(folder)


@pytest.fixture
def port() -> Iterator[int]:
    """For an API."""
    with kept_port() as port:
        yield port


def test_uploads_that_could_not_be_moved_to_the_files_stop_the_start(
    node: Callable[..., Settings], port: int, other_file_system: Path
) -> None:
    settings = node(fasttask_files_dir=other_file_system / "fasttask", api_port=port)
    before = sorted(settings.fasttask_files_dir.iterdir())
    with pytest.raises(ConfigurationError) as caught:
        check_node(settings)

    (line,) = caught.value.lines
    assert line.startswith(f"FASTTASK_FILES_DIR={settings.fasttask_files_dir}: no upload could be")
    assert "choose a folder on the same file system" in line
    assert sorted(settings.fasttask_files_dir.iterdir()) == before
    check_node(settings.model_copy(update={"api_file_upload": False}))


def test_a_trial_of_an_upload_leaves_nothing(node: Callable[..., Settings], port: int) -> None:
    settings = node(api_port=port)
    check_node(settings)

    assert [path.name for path in settings.files_dir.iterdir()] == ["fasttask"]
