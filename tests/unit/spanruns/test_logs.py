"""Log records of runs."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import spanruns
from opentelemetry import context
from opentelemetry._logs import SeverityNumber
from spanruns import _logs
from spanruns._outbox import mark_own_thread
from spanruns.testing import Captured, capture

log = logging.getLogger("app.module")


def test_record_inside_a_run_is_taken(captured: Captured) -> None:
    """It has the trace context of the span it was made in, its place in the code and its extra values."""
    with spanruns.run("r"), spanruns.tool("t"):
        log.warning("hello %s", "you", extra={"order": 7, "items": [1]})
    (record,) = captured.logs
    tool = captured.tool("t")
    assert (record.trace_id, record.span_id, record.body) == (tool.trace_id, tool.span_id, "hello you")
    line = record.attributes.pop("code.line.number")
    assert record.attributes == {
        "code.file.path": __file__,
        "code.function.name": "test_record_inside_a_run_is_taken",
        "thread.name": "MainThread",
        "order": 7,
        "items": "[1]",
    }
    assert isinstance(line, int)


def test_record_outside_a_run_is_not_taken(captured: Captured) -> None:
    """Only the logs of runs are ours."""
    log.warning("hello")
    with spanruns.tool("t"):
        log.warning("hello")
    assert captured.logs == []


def test_level_is_a_threshold() -> None:
    """Records below the level are left out."""
    with capture(log_level=logging.ERROR) as captured, spanruns.run("r"):
        log.warning("no")
        log.error("yes")
    assert [record.body for record in captured.logs] == ["yes"]


def test_logger_that_does_not_propagate_is_heard(captured: Captured) -> None:
    """Many frameworks give their loggers handlers of their own."""
    quiet = logging.getLogger("quiet")
    quiet.propagate = False
    quiet.addHandler(logging.NullHandler())
    with spanruns.run("r"):
        quiet.warning("hello")
    assert [record.body for record in captured.logs] == ["hello"]


def test_handlers_of_the_service_are_untouched(captured: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """No handler is added, so a later basicConfig still works, and every handler still gets its record once."""
    before = list(logging.getLogger().handlers)
    with spanruns.run("r"):
        log.warning("hello")
    assert logging.getLogger().handlers == before
    assert [record.getMessage() for record in caplog.records] == ["hello"]


def test_exception_is_recorded(captured: Captured) -> None:
    """Class, message and stack trace have the convention's names."""
    with spanruns.run("r"):
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("failed")
    (record,) = captured.logs
    assert (record.attributes["exception.type"], record.attributes["exception.message"]) == ("ValueError", "no")
    assert "raise ValueError" in record.attributes["exception.stacktrace"]


def test_own_sending_is_not_logged(captured: Captured) -> None:
    """What the sending thread and its libraries log would feed on itself."""
    token = context.attach(context.get_current())
    with spanruns.run("r"):
        logging.getLogger("urllib3.connectionpool").warning("no")
        logging.getLogger("spanruns").warning("no")
        mark_own_thread()
        log.warning("no")
        context.detach(token)
    assert captured.logs == []


def test_wrong_format_arguments_stay_the_service_s_own_mistake(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that cannot be formatted is taken with its template."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with spanruns.run("r"):
        log.handlers, handlers = [logging.NullHandler()], log.handlers
        log.propagate = False
        log.warning("%d items", "many")
        log.handlers, log.propagate = handlers, True
    assert [record.body for record in captured.logs] == ["%d items"]


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (5, SeverityNumber.TRACE),
        (logging.DEBUG, SeverityNumber.DEBUG),
        (logging.INFO, SeverityNumber.INFO),
        (25, SeverityNumber.INFO),
        (logging.WARNING, SeverityNumber.WARN),
        (logging.ERROR, SeverityNumber.ERROR),
        (logging.CRITICAL, SeverityNumber.FATAL),
        (99, SeverityNumber.FATAL),
    ],
)
def test_severity(level: int, number: SeverityNumber) -> None:
    """Levels map to the numbers of OpenTelemetry."""
    assert _logs.severity(level) is number


def test_structlog_comes_through_logging(captured: Captured) -> None:
    """structlog on top of logging needs nothing special."""
    structlog: Any = pytest.importorskip("structlog")
    structlog.configure(
        logger_factory=structlog.stdlib.LoggerFactory(),
        processors=[structlog.stdlib.render_to_log_kwargs],
    )
    with spanruns.run("r"):
        structlog.get_logger("app").warning("hello", order=7)
    (record,) = captured.logs
    assert (record.body, record.attributes["order"]) == ("hello", 7)
