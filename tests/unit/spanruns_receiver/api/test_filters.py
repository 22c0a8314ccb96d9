"""Query parameters become the views' filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from spanruns_receiver.api.errors import BadParameter
from spanruns_receiver.api.filters import FIRST, LAST, Filter
from spanruns_schema import calls


def test_only_what_was_given_is_in_the_filter() -> None:
    """Lists go as they are, numbers and booleans as text, the rest is left out."""
    asked = Filter(agent=["a", "b"], not_status=["lost"], min_cost_usd=1e-7, has_error=False, search=["x"])
    assert asked.as_map() == {
        "agent": ["a", "b"],
        "not_status": ["lost"],
        "min_cost_usd": ["1e-07"],
        "has_error": ["false"],
        "search": ["x"],
    }
    assert asked.applied() == {
        "agent": ["a", "b"],
        "not_status": ["lost"],
        "min_cost_usd": 1e-7,
        "has_error": False,
        "search": ["x"],
    }


def test_nothing_given_is_everything() -> None:
    """Without parameters there is no filter, and the period is all that can be stored."""
    assert Filter().parameters() == {"filter": {}, "from": FIRST, "to": LAST}
    assert Filter().applied() == {}


def test_a_period_is_in_utc_and_within_what_can_be_stored() -> None:
    """Offsets are converted, a time without one is UTC, impossible times are cut."""
    east = timezone(timedelta(hours=2))
    asked = Filter.model_validate({"from": datetime(2026, 1, 1, 2, tzinfo=east), "to": "2026-01-02T00:00:00"})
    assert asked.period() == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    assert Filter.model_validate({"from": "0500-01-01T00:00:00Z", "to": "9000-01-01T00:00:00Z"}).period() == (
        FIRST,
        LAST,
    )


def test_an_unescaped_plus_of_an_offset_is_understood() -> None:
    """A query string turns + into a space."""
    asked = Filter.model_validate({"from": "2026-01-01T02:00:00 02:00"})
    assert asked.period()[0] == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    """The message names the parameter."""
    with pytest.raises(BadParameter) as caught:
        Filter.model_validate({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}).period()
    assert caught.value.parameter == "from"


def test_the_view_knows_every_name() -> None:
    """Each parameter of the API is one that the view `runs_matching` has, and the other way round."""
    sql = calls.text("runs_matching")
    names = Filter.model_fields.keys() - {"from_", "to"}
    assert {name for name in names if f"f['{name}']" not in sql} == set()
    assert {name for name in names if name.startswith("not_") and name.removeprefix("not_") not in names} == set()
    offered = sql.split("has(\n                [")[1].split("]")[0]
    known = {name.strip(" '\n") for name in offered.split(",")}
    assert {name.removeprefix("not_") for name in names} == known
