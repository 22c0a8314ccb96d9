"""What a run does not say of itself, but its surroundings do: session, user, workspace, parent run, trigger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from spanruns import _ambient, _ticket, _trigger
from spanruns._settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from spanruns._live import RunState

_TRIGGER: Final = ("spanruns.run.trigger", "spanruns.run.trigger_detail")


def of_run(settings: Settings, ctx: Context | None, own: Mapping[str, Any], around: RunState | None) -> dict[str, Any]:
    """What a run that starts in a context, with attributes of its own and maybe inside another run, lacks."""
    found = surroundings(settings, ctx)
    parent_id = found.pop("spanruns.run.parent_id", None)
    if around is None and parent_id:
        found["spanruns.run.parent_id"] = parent_id
    found.update(_ticket.take(ctx))
    if around is not None and not around.identity.get("gen_ai.agent.name"):
        # a framework's wrapper is no agent: what started it has started this run
        found.update({key: around.identity[key] for key in _TRIGGER if key in around.identity})
    elif around is not None or (parent_id and "spanruns.run.queued_at" not in found):
        found["spanruns.run.trigger"] = "agent"
        found.pop("spanruns.run.trigger_detail", None)
        if around is not None and (name := around.identity.get("gen_ai.agent.name")):
            found["spanruns.run.trigger_detail"] = name
    elif "spanruns.run.trigger" not in found and "spanruns.run.trigger" not in own:
        found.update(_detected(settings, ctx))
    if "spanruns.run.trigger" in own:
        found.pop("spanruns.run.trigger_detail", None)
    return {key: value for key, value in found.items() if key not in own}


def surroundings(settings: Settings, ctx: Context | None = None) -> dict[str, Any]:
    """Session, user, workspace, trigger and parent run that hold in a context."""
    found: dict[str, Any] = {}
    if settings.workspace:
        found["spanruns.workspace"] = settings.workspace
    carried = _ambient.from_baggage(ctx)
    parent_id = carried.pop("spanruns.run.id", None)
    if parent_id:
        found["spanruns.run.parent_id"] = parent_id
        carried.pop("spanruns.run.trigger", None)
    return {**found, **carried, **_ambient.surrounding(ctx)}


def _detected(settings: Settings, ctx: Context | None) -> dict[str, Any]:
    trigger = (settings.trigger, None) if settings.trigger else _trigger.detect(ctx)
    return {} if trigger is None else {key: value for key, value in zip(_TRIGGER, trigger, strict=True) if value}
