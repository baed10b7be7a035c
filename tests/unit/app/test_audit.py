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
