"""What a caller may ask for: query parameters, checked, as the filter that the views take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from spanruns_schema.store import Parameter

from spanruns_receiver.api.errors import BadParameter

Status = Literal["queued", "running", "waiting", "success", "failed", "cancelled", "lost"]
Text = Annotated[str, StringConstraints(max_length=1000)]
Texts = Annotated[list[Text], Field(max_length=100)]
Statuses = Annotated[list[Status], Field(max_length=100)]
Bound = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]

# The columns hold no earlier and no later moments.
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2100, 1, 1, tzinfo=UTC)


def _moment(value: Any) -> Any:
    # In a query string an unescaped + of an offset arrives as a space.
    if isinstance(value, str):
        return re.sub(r" (\d\d:?\d\d)$", r"+\1", value)
    return value


def _utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return min(max(moment, FIRST), LAST)


Moment = Annotated[datetime | None, BeforeValidator(_moment)]


class NoParameters(BaseModel):
    """For routes without query parameters: any is unknown."""

    model_config = ConfigDict(extra="forbid")


class Filter(BaseModel):
    """Which runs. Several values of one parameter are alternatives; different parameters are all required."""

    model_config = ConfigDict(extra="forbid")

    agent: Texts = []
    not_agent: Texts = []
    status: Statuses = []
    not_status: Statuses = []
    trigger: Texts = []
    not_trigger: Texts = []
    kind: Texts = []
    not_kind: Texts = []
    service: Texts = []
    not_service: Texts = []
    environment: Texts = []
    not_environment: Texts = []
    session: Texts = []
    not_session: Texts = []
    user: Texts = []
    not_user: Texts = []
    workspace: Texts = []
    not_workspace: Texts = []
    tool: Annotated[Texts, Field(description="Runs that called one of these tools.")] = []
    not_tool: Texts = []
    model: Annotated[Texts, Field(description="Runs that called one of these models.")] = []
    not_model: Texts = []
    tag: Texts = []
    not_tag: Texts = []
    version: Annotated[Texts, Field(description="Version of the agent.")] = []
    not_version: Texts = []
    error_class: Texts = []
    not_error_class: Texts = []
    fingerprint: Annotated[Texts, Field(description="Runs that failed in the same way.")] = []
    not_fingerprint: Texts = []
    parent: Annotated[Texts, Field(description="Direct sub-runs of these runs.")] = []
    not_parent: Texts = []
    min_duration_ms: Bound = None
    max_duration_ms: Bound = None
    min_cost_usd: Bound = None
    max_cost_usd: Bound = None
    has_error: bool | None = None
    was_waiting: bool | None = None
    root_only: Annotated[bool | None, Field(description="Only runs that no other run started.")] = None
    search: Annotated[Texts, Field(description="Each in input, output or error message, whatever its case.")] = []
    from_: Annotated[Moment, Field(alias="from", description="Runs that started at this time or later.")] = None
    to: Annotated[Moment, Field(description="Runs that started before this time.")] = None

    def period(self) -> tuple[datetime, datetime]:
        """From when to (not including) when, in UTC. Raises `BadParameter` when that is no period."""
        begin, end = _utc(self.from_) or FIRST, _utc(self.to) or LAST
        if begin > end:
            raise BadParameter("from", "must not be after `to`")
        return begin, end

    def as_map(self) -> Mapping[str, Sequence[str]]:
        """The parameter `filter` of the views."""
        return {name: values for name, value in self._given() if (values := _texts(value))}

    def applied(self) -> dict[str, Any]:
        """What was asked for, as it was understood; nothing of what was not."""
        begin, end = self.period()
        given = {name: value for name, value in self._given() if value != []}
        if self.from_ is not None:
            given["from"] = begin
        if self.to is not None:
            given["to"] = end
        return given

    def parameters(self) -> dict[str, Parameter]:
        """`filter`, `from` and `to` as the views take them."""
        begin, end = self.period()
        return {"filter": self.as_map(), "from": begin, "to": end}

    def _given(self) -> list[tuple[str, Any]]:
        names = (name for name in Filter.model_fields if name not in ("from_", "to"))
        return [(name, value) for name in names if (value := getattr(self, name)) is not None]


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return value
    return [("true" if value else "false") if isinstance(value, bool) else repr(value)]
