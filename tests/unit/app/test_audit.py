"""Deeds are written soon, together, and not lost while the disk is full."""

import asyncio
from collections.abc import Callable

import pytest

from app.audit import AuditLog
from config.audit import Deed
from config.settings import Settings
from tests.waiting import eventually


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Of a node of its own."""
    return make_settings()


def deed(about: str) -> Deed:
    return Deed("ann", "here", "create add", 200, about)


async def test_a_deed_is_written_soon(settings: Settings) -> None:
    audit = AuditLog(settings)
    audit.add(deed("one"))

    await eventually(settings.audit_log_file.exists, within=2)
    audit.add(deed("two"))
    await audit.close()
    assert settings.audit_log_file.read_text().count("\n") == 2


async def test_what_cannot_be_written_is_written_later_in_order(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(settings.log_dir.write_text, "in its place")
    audit = AuditLog(settings)
    audit.add(deed("one"))
    await eventually(lambda: caplog.messages, within=2)
    audit.add(deed("two"))
    await asyncio.to_thread(settings.log_dir.unlink)
    await audit.close()

    lines = settings.audit_log_file.read_text().splitlines()
    assert ['"one"' in lines[0], '"two"' in lines[1]] == [True, True]
    assert caplog.messages == ["audit_log_cannot_be_written"]


async def test_of_what_cannot_be_written_for_long_the_latest_is_kept(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = deed("000").line(0)
    monkeypatch.setattr("app.audit.MOST_GATHERED", 10 * len(line) + 1)
    await asyncio.to_thread(settings.log_dir.write_text, "in its place")
    audit = AuditLog(settings)
    for number in range(100):
        audit.add(deed(f"{number:03}"))
    await eventually(lambda: caplog.messages, within=2)
    await asyncio.to_thread(settings.log_dir.unlink)
    await audit.close()

    kept = settings.audit_log_file.read_text().splitlines()
    assert len(kept) == 10
    assert '"about":"099"' in kept[-1]
