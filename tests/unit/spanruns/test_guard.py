"""The guard around our own code."""

from __future__ import annotations

import pytest
from spanruns import _guard


def test_error_is_logged_once_and_counted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The service goes on; the log says it once per place, the count every time."""
    monkeypatch.setattr(_guard, "_raise", False)
    for where in ("here", "here", "there"):
        with _guard.guarded(where):
            raise RuntimeError("no")
    assert _guard.errors == {"here": 2, "there": 1}
    assert [record.getMessage().split(" failed")[0] for record in caplog.records] == [
        "spanruns: here",
        "spanruns: there",
    ]


def test_error_is_raised_where_asked_for() -> None:
    """Our own tests see our own errors."""
    with pytest.raises(RuntimeError, match="no"), _guard.guarded("here"):
        raise RuntimeError("no")


def test_service_may_still_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt is not an error of ours."""
    monkeypatch.setattr(_guard, "_raise", False)
    with pytest.raises(KeyboardInterrupt), _guard.guarded("here"):
        raise KeyboardInterrupt


def test_warnings_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A state that lasts is not repeated."""
    for _ in range(3):
        _guard.warn_once("key", "told %s", 1)
    assert [record.getMessage() for record in caplog.records] == ["told 1"]
