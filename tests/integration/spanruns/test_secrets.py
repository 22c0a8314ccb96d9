"""A secret of the service is found nowhere in the store, wherever it was planted."""

from __future__ import annotations

import json

import pytest

from tests.support.stored import Stored, until

SECRET = "sk-planted-in-every-place-0123456789"
PASSWORD = "hunter2-of-the-database"
DEEP = json.dumps({"a": json.dumps({"b": json.dumps([{"password": PASSWORD, "text": f"key {SECRET}"}])})})
"""JSON inside JSON inside JSON."""

PLANTING = """
    import asyncio, logging
    import spanruns.auto, spanruns
    from opentelemetry import baggage, context, trace
    from opentelemetry._logs import LogRecord, get_logger
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    KEY, DEEP = SECRETS
    agent = Agent(TestModel(custom_output_text=f"the key is {KEY}"), name="leaky", instructions=f"use {KEY} {DEEP}")
    tracer = trace.get_tracer(f"scope {KEY}")

    @agent.tool_plain
    def use_key(key: str) -> str:
        logging.getLogger("app").warning("called with %s", KEY, extra={"key": KEY, "nested": {"deep": DEEP}})
        return f"used {KEY}"

    @spanruns.tool
    def own_tool(key: str, deep: str) -> dict:
        return {"given": key, "text": '{"inner": "' + key + '"}', "deep": deep, KEY: 1}

    @spanruns.tool(f"tool {KEY}")
    def failing(**headers: str) -> None:
        try:
            raise KeyError(KEY)
        except KeyError as error:
            raise ValueError(f"authorization: Bearer {KEY}") from error

    def framework() -> None:
        with tracer.start_as_current_span(
            f"span {KEY}",
            attributes={"my.list": [KEY], "my.json": DEEP, "my.password": PASSWORD, "bytes": KEY.encode()},
            links=[trace.Link(trace.get_current_span().get_span_context(), {"why": KEY})],
        ) as span:
            span.add_event(f"event {KEY}", {"text": KEY, "deep": DEEP})
            span.record_exception(RuntimeError(f"recorded {KEY}"))
            span.set_status(trace.StatusCode.ERROR, f"status {KEY}")

    @spanruns.run("planted", kind="agent", session_id=KEY, user_id=f"u {KEY}", trigger_detail=f"by {KEY}", tags=[KEY])
    def job(key: str, deep: str) -> None:
        run = spanruns.current_run()
        run.set_input({"password": PASSWORD, "key": key, "url": f"postgres://me:{PASSWORD}@db/x"})
        run.set_attribute("note", DEEP)
        with run.waiting_for(f"someone with {KEY}"):
            pass
        own_tool(key, deep)
        agent.run_sync(f"here is {KEY} and {DEEP}")
        framework()
        logging.getLogger(f"app.{KEY}").error("in the name")
        get_logger("events").emit(LogRecord(event_name="e", body={KEY: [KEY, {"deep": DEEP}], "raw": KEY.encode()}))
        with spanruns.run(f"run {KEY}", kind="workflow"):
            pass
        try:
            failing(authorization=KEY)
        except ValueError:
            logging.getLogger("app").exception("failed with %r", {"token": PASSWORD})
        raise RuntimeError(f"cannot use {KEY} {DEEP}")

    context.attach(baggage.set_baggage("session.id", KEY, baggage.set_baggage("other", KEY)))
    with spanruns.identity(user_id=KEY, trigger=f"because of {KEY}"):
        headers = spanruns.enqueue(f"queued {KEY}")
        with spanruns.received(headers), spanruns.run("inside"):
            pass
    try:
        job(KEY, DEEP)
    except RuntimeError:
        logging.getLogger("app").exception("failed")
"""


@pytest.fixture(scope="module")
def planted(stored: Stored) -> Stored:
    """After a service has put its secrets everywhere; what it has sent is stored."""
    script = PLANTING.replace("SECRETS", repr((SECRET, DEEP))).replace("PASSWORD", repr(PASSWORD))
    resource = f"deployment.note=with {SECRET},db.password={PASSWORD},service.version={SECRET}"
    stored.finish(script, OTEL_SERVICE_NAME="planting", OTEL_RESOURCE_ATTRIBUTES=resource)
    until(lambda: stored.runs(status="failed", agent="planted"))
    return stored


def test_secret_is_nowhere(planted: Stored) -> None:
    """No column of any row of any table has it."""
    tables = "SELECT name FROM system.tables WHERE database = 'spanruns' AND total_rows > 0"
    names = [row["name"] for row in planted.rows(tables)]
    assert {"otel_traces", "otel_logs", "runs_data", "tool_calls_data", "model_calls_data", "span_facts"} <= set(names)
    assert [name for name in names if name.startswith("otel_metrics_")] != []
    for word in (SECRET, SECRET[3:], PASSWORD):
        where = f"toString(tuple(*)) LIKE '%{word}%'"
        query = " UNION ALL ".join(f"SELECT '{name}' AS name FROM spanruns.{name} WHERE {where}" for name in names)
        assert planted.rows(query) == []


def test_what_is_no_secret_stays(planted: Stored) -> None:
    """Masking takes secrets out, not the texts around them."""
    (run,) = planted.runs(status="failed", agent="planted")
    assert run["tags"] == ["[masked]"]
    assert run["session_id"] == "[masked]"
    query = (
        "SELECT SpanName AS name, StatusMessage AS status, SpanAttributes['my.json'] AS json, "
        "ResourceAttributes['deployment.note'] AS note FROM spanruns.otel_traces "
        "WHERE ServiceName = 'planting' AND StatusMessage LIKE 'status%'"
    )
    (span,) = planted.rows(query)
    assert (span["name"], span["status"], span["note"]) == ("span [masked]", "status [masked]", "with [masked]")
    (inner,) = json.loads(json.loads(json.loads(span["json"])["a"])["b"])
    assert inner == {"password": "[masked]", "text": "key [masked]"}
    masked = planted.rows(
        "SELECT count() AS n FROM spanruns.otel_traces WHERE ServiceName = 'planting' AND toString(tuple(*)) LIKE '%[masked]%'"
    )
    assert masked[0]["n"] >= 10
