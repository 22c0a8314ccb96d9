"""`logging` records made inside runs, with the run's trace context; and what frameworks log through
OpenTelemetry.

Records are taken where the logging module hands them to handlers, not by a handler of ours: one on the root
logger would make a later `logging.basicConfig()` of the service do nothing. Records of our own sending are
left out, so that nothing feeds on itself.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace

from spanruns import _foreign, _guard, _outcome, _pipeline
from spanruns._encode import to_json
from spanruns._otlp import clean_log
from spanruns._setters import GlobalProvider

if TYPE_CHECKING:
    from opentelemetry._logs import SeverityNumber
    from opentelemetry.sdk._logs import ReadableLogRecord

    from spanruns._pipeline import Pipeline

_OWN: Final = ("spanruns", "opentelemetry", "urllib3", "requests")
_STANDARD: Final = frozenset(
    (*logging.LogRecord("", 0, "", 0, "", (), None).__dict__, "message", "asctime", "taskName")
)
_handling = threading.local()


def install(pipeline: Pipeline) -> None:
    """Send the log records of runs from now on."""
    take_for(pipeline)
    _join_provider(pipeline)


def take_for(pipeline: Pipeline) -> None:
    """Take the records of the logging module for this pipeline, while it is the current one."""
    pipeline.taker = Taker(pipeline)
    if not hasattr(logging.Logger.callHandlers, "spanruns"):
        logging.Logger.callHandlers = _watched(logging.Logger.callHandlers)  # type: ignore[method-assign]


def _watched(original: Callable[[logging.Logger, logging.LogRecord], None]) -> Any:
    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        pipeline = _pipeline.current()
        if pipeline is None or pipeline.taker is None:
            return original(logger, record)
        pipeline.taker.take(record)
        _handling.record = True
        try:
            return original(logger, record)
        finally:
            _handling.record = False

    call_handlers.spanruns = True  # type: ignore[attr-defined] # patched once per process
    return call_handlers


class Taker:
    """Turns records of `logging` into records of ours."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._level = pipeline.settings.log_level

    def take(self, record: logging.LogRecord) -> None:
        """Queue a record if it was made inside a run, at or above the level."""
        if record.levelno < self._level:
            return
        span = trace.get_current_span().get_span_context()
        if not span.trace_flags.sampled or self._pipeline.registry.run_of(span.span_id) is None:
            return
        if record.name.partition(".")[0] in _OWN or context.get_value(_suppressed()):
            return
        try:
            self._pipeline.logs.put(self._translate(record))
        except Exception:
            _guard.swallow("taking a log record")

    def _translate(self, record: logging.LogRecord) -> ReadableLogRecord:
        from opentelemetry._logs import LogRecord
        from opentelemetry.sdk._logs import ReadableLogRecord
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        limit = self._pipeline.settings.max_value_bytes
        attributes: dict[str, Any] = {
            "code.file.path": record.pathname,
            "code.function.name": record.funcName,
            "code.line.number": record.lineno,
            "thread.name": record.threadName,
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD and not key.startswith("_"):
                attributes[key] = value if isinstance(value, (str, bool, int, float)) else to_json(value, limit)
        attributes.update(_exception(record))
        message = LogRecord(
            timestamp=int(record.created * 1_000_000) * 1_000,
            observed_timestamp=int(record.created * 1_000_000) * 1_000,
            context=context.get_current(),
            severity_number=severity(record.levelno),
            severity_text=record.levelname,
            body=_message(record),
            attributes={key: value for key, value in attributes.items() if value is not None},
        )
        return ReadableLogRecord(message, self._pipeline.resource, InstrumentationScope(record.name))


def _suppressed() -> str:
    return str(getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # the service's own formatting mistake: logging itself will tell about it
        return str(record.msg)


def _exception(record: logging.LogRecord) -> dict[str, str]:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is None:
        return {}
    return {
        "exception.type": _outcome.type_name(error),
        "exception.message": _outcome.message_of(error),
        "exception.stacktrace": "".join(traceback.format_exception(error)),
    }


def severity(level: int) -> SeverityNumber:
    """A level of the logging module as OpenTelemetry's severity number."""
    from opentelemetry._logs import SeverityNumber

    if level < logging.DEBUG:
        return SeverityNumber.TRACE
    if level < logging.INFO:
        return SeverityNumber.DEBUG
    if level < logging.WARNING:
        return SeverityNumber.INFO
    if level < logging.ERROR:
        return SeverityNumber.WARN
    return SeverityNumber.ERROR if level < logging.CRITICAL else SeverityNumber.FATAL


def _join_provider(pipeline: Pipeline) -> None:
    """Have log records that frameworks write through OpenTelemetry sent as well."""
    from opentelemetry._logs import _internal, get_logger_provider
    from opentelemetry.sdk._logs import LoggerProvider

    provider: Any = get_logger_provider()
    if type(provider).__name__ == "ProxyLoggerProvider":
        own = LoggerProvider(resource=pipeline.resource)
        own.add_log_record_processor(_processor(pipeline))
        GlobalProvider(_internal, "logger", lambda later: _share(pipeline, later)).set(own)
    else:
        _share(pipeline, provider)


def _share(pipeline: Pipeline, provider: Any) -> None:
    """Add our processor to the service's logger provider, unless it sends to our endpoint itself."""
    add = getattr(provider, "add_log_record_processor", None)
    if not callable(add):
        return
    url, clean = pipeline.settings.urls["logs"], lambda record: clean_log(record, pipeline.cleaner, pipeline.instance)
    if not _foreign.take_over(_foreign.processors_of(provider), url, clean):
        add(_processor(pipeline))


def _processor(pipeline: Pipeline) -> Any:
    from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord

    put: Callable[[ReadableLogRecord], None] = pipeline.logs.put

    class RunLogProcessor(LogRecordProcessor):
        """Takes what is logged through OpenTelemetry inside runs, but not what came from `logging`.

        We have that.
        """

        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            if getattr(_handling, "record", False):
                return
            with _guard.guarded("taking a log record"):
                record = log_record.log_record
                if record.span_id and pipeline.registry.run_of(record.span_id) is not None:
                    resource = log_record.resource or pipeline.resource
                    put(ReadableLogRecord(record, resource, log_record.instrumentation_scope))

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return True

    return RunLogProcessor()
