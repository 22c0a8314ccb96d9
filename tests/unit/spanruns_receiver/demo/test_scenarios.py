"""What the demo starts."""

from __future__ import annotations

import importlib.util

import pytest
from spanruns_receiver.demo.scenarios import SCENARIOS, Expected, Scenario


def test_four_frameworks_and_a_batch_job() -> None:
    """Everything the demo promises is there, and nothing is missing where the demo's extra is installed."""
    assert [scenario.framework for scenario in SCENARIOS] == [
        "no framework",
        "Pydantic AI",
        "LangGraph",
        "OpenAI Agents SDK",
        "MCP client and server",
    ]
    assert [scenario.missing() for scenario in SCENARIOS] == [[]] * len(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.service_name)
def test_module_exists(scenario: Scenario) -> None:
    """What is started can be found."""
    assert importlib.util.find_spec(scenario.module) is not None


def test_expected_runs_carry_the_service() -> None:
    """A run is expected from the service that makes it."""
    scenario = Scenario("desk", "none", "m", (("a", "success"), ("a", "failed")))
    assert scenario.expected() == [Expected("desk", "a", "success"), Expected("desk", "a", "failed")]


def test_missing_modules() -> None:
    """A module that is not installed is named, also when its parent package is not there either."""
    scenario = Scenario("desk", "none", "m", (), needs=("json", "no_such_module", "no_such_package.module"))
    assert scenario.missing() == ["no_such_module", "no_such_package.module"]
