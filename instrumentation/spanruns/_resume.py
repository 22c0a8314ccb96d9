"""One run over a pause and another process: a token says which run it is and since when it waits."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context

from spanruns import _guard
from spanruns._run import RunBlock

if TYPE_CHECKING:
    from spanruns._handle import Run

MAX_TOKEN: Final = 16_384
_KEPT: Final = (
    "spanruns.run.kind",
    "gen_ai.operation.name",
    "gen_ai.agent.name",
    "gen_ai.agent.id",
    "gen_ai.agent.version",
    "gen_ai.workflow.name",
    "spanruns.run.parent_id",
    "spanruns.run.trigger",
    "spanruns.run.trigger_detail",
    "spanruns.run.queued_at",
    "spanruns.run.sla_ms",
    "spanruns.run.dry_run",
    "spanruns.workspace",
    "session.id",
    "user.id",
)


def token_of(run: Run, attributes: dict[str, Any]) -> str:
    """The token of a suspended run: text that is safe in a URL, a database or a message."""
    context = run.span.get_span_context()
    around = getattr(run.span, "parent", None)
    kept = {key: attributes[key] for key in _KEPT if key in attributes}
    content = {"v": 1, "run": run.run_id, "t": run.trace_id, "s": run.span_id, "a": kept}
    content["f"] = int(context.trace_flags)
    if around is not None:
        content["p"] = f"{around.span_id:016x}"
    text = json.dumps(content, separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def resume(token: str) -> RunBlock:
    """Go on with a run that `Run.suspend()` ended, in this or any other process: `with spanruns.resume(token)
    as run:`.

    It is the same run in the store: same id, name, session and trigger; the time in between is waiting time.
    A token that cannot be read starts a run of its own, with a warning: resuming must not fail because of us.
    """
    try:
        content = _read(token)
        attributes = {"spanruns.kind": "run", **content["a"]}
        attributes.setdefault("spanruns.run.kind", "job")
        return RunBlock(
            str(content["a"].get("gen_ai.agent.name") or "run"),
            attributes=attributes,
            run_id=str(content["run"]),
            parent=_parent(content),
            links=(trace.Link(_context(content, content["s"])),),
            event="resumed",
        )
    except Exception as error:
        _guard.warn_once("token", "spanruns: a token cannot be read (%s); a new run starts", type(error).__name__)
        return RunBlock("resumed", attributes={"spanruns.kind": "run", "spanruns.run.kind": "job"})


def _read(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise ValueError("too long")
    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    if not isinstance(content, dict) or content.get("v") != 1 or not isinstance(content.get("a"), dict):
        raise ValueError("no token of ours")
    content["a"] = {key: value for key, value in content["a"].items() if key in _KEPT}
    return content


def _parent(content: dict[str, Any]) -> Context | None:
    """The new span stands beside the suspended one: below the same parent, or a root of its own that links to it.

    Below the suspended span it would be a part of that span, and the run would have ended before it.
    """
    if "p" not in content:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(_context(content, content["p"])), Context())


def _context(content: dict[str, Any], span_id: str) -> trace.SpanContext:
    flags = trace.TraceFlags(int(content["f"]))
    return trace.SpanContext(int(content["t"], 16), int(span_id, 16), is_remote=True, trace_flags=flags)
