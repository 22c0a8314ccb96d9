"""The main path: agents of real frameworks in processes of their own, one import, and what the API and SQL say of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
import pytest
from spanruns_receiver.demo.fake_openai import running_fake_openai
from spanruns_receiver.demo.scenarios import SCENARIOS, Scenario
from spanruns_receiver.demo.services import environment
from spanruns_receiver.demo.watch import Watch

from tests.support.up import Up, running_up

Rows = list[dict[str, Any]]
PROGRAMS = Path(__file__).parent / "programs"

pytestmark = pytest.mark.timed

# One round of the demo: (service, run, parent) -> (kind, status, trigger, error, tools, failed tools, models, tokens in, out, cached)
RUNS: Mapping[tuple[str, str, str], list[tuple[Any, ...]]] = {
    ("batch-jobs", "import_orders", ""): [("job", "success", "schedule", "", 4, 0, 0, 0, 0, 0)],
    ("batch-jobs", "rebuild_search_index", ""): [("job", "success", "event", "", 0, 0, 0, 0, 0, 0)],
    ("batch-jobs", "sync_invoices", ""): [("job", "failed", "schedule", "TimeoutError", 3, 1, 0, 0, 0, 0)],
    ("travel-desk", "trip_planner", ""): [("agent", "success", "", "", 1, 0, 2, 300, 50, 96)],
    ("travel-desk", "booking", ""): [("agent", "failed", "", "ConnectionError", 1, 1, 1, 120, 18, 0)],
    ("travel-desk", "concierge", ""): [("agent", "success", "", "", 1, 0, 2, 480, 82, 192)],  # its sub-agent's included
    ("travel-desk", "weather", "concierge"): [("agent", "success", "agent", "", 0, 0, 1, 180, 32, 96)],
    ("support-desk", "support_agent", ""): [("agent", "success", "", "", 1, 0, 2, 350, 40, 0)],
    ("support-desk", "refund_agent", ""): [("agent", "failed", "", "PermissionError", 1, 1, 1, 140, 16, 0)],
    ("research", "Researcher", ""): [("agent", "success", "", "", 1, 0, 2, 52, 26, 0)],
    ("research", "Archivist", ""): [("agent", "success", "", "", 1, 1, 2, 54, 26, 0)],
    ("research", "Reviewer", ""): [("agent", "failed", "", "openai.RateLimitError", 0, 0, 1, 0, 0, 0)],
    ("warehouse", "stock_clerk", ""): [
        ("agent", "success", "user", "", 2, 0, 0, 0, 0, 0),
        ("agent", "success", "user", "", 2, 1, 0, 0, 0, 0),
    ],
}

# (run, tool) -> its calls, in order: status, error
TOOL_CALLS: Mapping[tuple[str, str], list[tuple[str, str]]] = {
    ("import_orders", "fetch_orders"): [("success", "")] * 4,
    ("sync_invoices", "post_invoice"): [("success", ""), ("success", ""), ("failed", "TimeoutError")],
    ("trip_planner", "search_flights"): [("success", "")],
    ("booking", "reserve_room"): [("failed", "ConnectionError")],
    ("concierge", "ask_weather"): [("success", "")],
    ("support_agent", "look_up_order"): [("success", "")],
    ("refund_agent", "refund"): [("failed", "PermissionError")],
    ("Researcher", "search_papers"): [("success", "")],
    ("Archivist", "read_archive"): [("failed", "_OTHER")],
    ("stock_clerk", "count_stock"): [("success", ""), ("success", "")],
    ("stock_clerk", "reorder"): [("success", ""), ("failed", "tool_error")],
}


@dataclass
class Api:
    """The query API of a running process."""

    client: httpx.Client

    def get(self, path: str, **parameters: str) -> Any:
        """The JSON of a GET."""
        return self.client.get(path, params=parameters).raise_for_status().json()

    def runs(self, **parameters: str) -> Rows:
        """The newest 200 runs."""
        found: Rows = self.get("/api/runs", limit="200", **parameters)["runs"]
        return found

    def run(self, agent_name: str) -> dict[str, Any]:
        """The detail of the first run of this name."""
        run_id = min(self.runs(agent=agent_name), key=lambda run: run["started_at"])["run_id"]
        found: dict[str, Any] = self.get(f"/api/runs/{run_id}")
        return found


def children() -> set[int]:
    """The processes below this one."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def others() -> set[int]:
    """What other tests keep running."""
    return children()


@pytest.fixture(scope="module")
def up(others: set[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running `spanruns up`."""
    with running_up(tmp_path_factory.mktemp("main") / "data") as up:
        yield up


@pytest.fixture(scope="module")
def api(up: Up) -> Iterator[Api]:
    """Its API."""
    with httpx.Client(base_url=f"http://127.0.0.1:{up.ports['api']}", timeout=30) as client:
        yield Api(client)


@pytest.fixture(scope="module")
def demo(up: Up) -> subprocess.CompletedProcess[str]:
    """One round of the demo, sent to it."""
    where = ["--api", f"http://127.0.0.1:{up.ports['api']}", "--endpoint", up.url]
    return spanruns("demo", "--once", *where)


def spanruns(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "spanruns_receiver", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def rows(demo: subprocess.CompletedProcess[str], api: Api) -> Rows:
    """The runs of that round."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return api.runs(environment="demo")


def test_demo_shows_what_came_in(demo: subprocess.CompletedProcess[str], up: Up) -> None:
    """Every run of the round is a line, the slow one also while it runs; then come the URLs and what to try."""
    assert (demo.returncode, demo.stderr) == (0, "")
    lines = demo.stdout.splitlines()
    seen = {tuple(line.split("  ")[1:4]) for line in lines if line[2:3] == ":"}
    ended = {(run.agent_name, run.service_name, run.status) for one in SCENARIOS for run in one.expected()}
    assert {(name.removeprefix("↳ "), *more) for name, *more in seen if more[1] != "running"} == ended
    assert ("rebuild_search_index", "batch-jobs", "running") in seen
    api_url = f"http://127.0.0.1:{up.ports['api']}"
    assert [line for line in lines if api_url in line] == [
        f"Page  {api_url}/    API  {api_url}/docs    OTLP  {up.url} (HTTP)",
        f'  {Path(sys.executable).name} -m spanruns_receiver sql --url {api_url} "SELECT agent_name, status, count() '
        'FROM runs GROUP BY ALL"',
        f"  curl -s {api_url}/api/stats",
    ]


def test_runs(rows: Rows) -> None:
    """Exactly the expected runs, with their kind, status, trigger, parent, counts, and tokens summed once."""
    names = {run["run_id"]: run["agent_name"] for run in rows}
    found: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
    for run in sorted(rows, key=lambda run: str(run["started_at"])):
        key = (run["service_name"], run["agent_name"], names.get(run["parent_run_id"], ""))
        counts = ("tool_call_count", "tool_error_count", "model_call_count")
        usage = ("input_tokens", "output_tokens", "cache_read_tokens")
        values = tuple(run[name] for name in ("kind", "status", "trigger", "error_type", *counts, *usage))
        found.setdefault(key, []).append(values)
    assert found == RUNS


def test_tool_calls(rows: Rows, api: Api) -> None:
    """Exactly the expected tool calls under their runs, MCP calls seen by two processes counted once."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for run in sorted(rows, key=lambda run: str(run["started_at"])):
        for call in api.get(f"/api/runs/{run['run_id']}/tool-calls")["tool_calls"]:
            key = (run["agent_name"], call["tool_name"])
            found.setdefault(key, []).append((call["status"], call["error_type"]))
    assert found == TOOL_CALLS


def test_job_detail(rows: Rows, api: Api) -> None:
    """A job has its parameters, output, rows, progress, tags and promise of time."""
    assert rows
    job = api.run("import_orders")
    assert {name: job[name] for name in ("parameters", "output", "rows_processed", "tags", "sla_ms")} == {
        "parameters": '{"day":"2026-01-01"}',
        "output": '{"day":"2026-01-01","pages":4}',
        "rows_processed": 100,
        "tags": ["nightly"],
        "sla_ms": 30_000,
    }
    assert (job["progress_done"], job["progress_total"], job["trigger_detail"]) == (4, 4, "0 2 * * *")
    assert (job["spans_reported"], job["spans_stored"]) == (5, 5)


def test_failure_detail(rows: Rows, api: Api) -> None:
    """A failed run says what failed."""
    assert rows
    found = [api.run(name) for name in ("sync_invoices", "booking", "refund_agent")]
    assert [(run["error_message"], run["error_class"]) for run in found] == [
        ("ledger.internal:443 did not answer within 30 s", "timeout"),
        ("no answer from the booking system of Lisbon", "dependency"),
        ("payment provider: 403 Forbidden, refund of A-2001 needs an approval", "auth"),
    ]


def test_sub_agent(rows: Rows, api: Api) -> None:
    """A sub-agent is a run of its own, listed under the run that asked it; usage claimed and usage summed are apart."""
    assert rows
    concierge = api.run("concierge")
    (weather,) = concierge["sub_runs"]
    assert (weather["agent_name"], weather["status"], weather["input_tokens"]) == ("weather", "success", 180)
    assert (concierge["input_tokens"], concierge["reported_input_tokens"]) == (480, 300)
    assert api.run("weather")["root_run_id"] == concierge["run_id"]


def outline(spans: Rows) -> list[Any]:
    """A timeline as (type, label, service) with what is below."""
    return [(span["type"], span["label"], span["service_name"], outline(span["children"])) for span in spans]


def test_timeline_of_a_sub_agent(rows: Rows, api: Api) -> None:
    """The timeline is the tree of the trace."""
    assert rows
    desk = "travel-desk"
    weather: Any = ("run", "weather", desk, [("model", "gpt-4.1-mini", desk, [])])
    found = api.get(f"/api/runs/{api.run('concierge')['run_id']}/timeline")
    assert (found["span_count"], found["truncated"]) == (6, False)
    assert outline(found["spans"]) == [
        (
            "run",
            "concierge",
            desk,
            [
                ("model", "gpt-4.1-mini", desk, []),
                ("tool", "ask_weather", desk, [weather]),
                ("model", "gpt-4.1-mini", desk, []),
            ],
        )
    ]


def test_timeline_over_two_processes(rows: Rows, api: Api) -> None:
    """A call of an MCP server's tool is one trace over both services."""
    assert rows
    first = min((run for run in rows if run["agent_name"] == "stock_clerk"), key=lambda run: run["started_at"])
    found = api.get(f"/api/runs/{first['run_id']}/timeline")
    services = {(span["service_name"], span["depth"]) for span in _flat(found["spans"]) if span["type"] == "tool"}
    assert {service for service, _ in services} <= {"warehouse", "stock-server"}
    assert {span["service_name"] for span in _flat(found["spans"])} == {"warehouse", "stock-server"}


def _flat(spans: Rows) -> Iterator[dict[str, Any]]:
    for span in spans:
        yield span
        yield from _flat(span["children"])


def test_stats(rows: Rows, api: Api) -> None:
    """The counts of the round; tokens of a sub-agent are in its parent's and count once."""
    found = api.get("/api/stats", environment="demo")
    names = ("total", "success", "failed", "running", "lost", "input_tokens", "output_tokens")
    assert {name: found[name] for name in names} == {
        "total": len(rows),
        "success": 10,
        "failed": 4,
        "running": 0,
        "lost": 0,
        "input_tokens": 1496,
        "output_tokens": 258,
    }


def test_sql(rows: Rows, up: Up) -> None:
    """`spanruns sql` asks the running process; model calls are there with their tokens, lone ones there are none."""
    assert rows
    query = (
        "SELECT agent_name, model, status, count() AS calls, sum(input_tokens) AS input, sum(output_tokens) AS output "
        "FROM model_calls WHERE run_id != '' OR 1 GROUP BY ALL ORDER BY agent_name"
    )
    done = spanruns("sql", "--url", f"http://127.0.0.1:{up.ports['api']}", "--format", "JSONCompactEachRow", query)
    assert (done.returncode, done.stderr) == (0, "")
    assert [tuple(json.loads(line)) for line in done.stdout.splitlines()] == [
        ("Archivist", "gpt-4.1-mini", "success", 2, 54, 26),
        ("Researcher", "gpt-4.1-mini", "success", 2, 52, 26),
        ("Reviewer", "fail-429", "failed", 1, 0, 0),
        ("booking", "gpt-4.1-mini", "success", 1, 120, 18),
        ("concierge", "gpt-4.1-mini", "success", 2, 300, 50),
        ("refund_agent", "gpt-4.1-mini", "success", 1, 140, 16),
        ("support_agent", "gpt-4.1-mini", "success", 2, 350, 40),
        ("trip_planner", "gpt-4.1-mini", "success", 2, 300, 50),
        ("weather", "gpt-4.1-mini", "success", 1, 180, 32),
    ]


def await_runs(api: Api, wanted: Callable[[Rows], bool], timeout_s: float, **parameters: str) -> Rows:
    """The first answer that is as wanted."""
    end = time.monotonic() + timeout_s
    while not wanted(found := api.runs(**parameters)):
        assert time.monotonic() < end, found
        time.sleep(0.2)  # each answer costs the process that is measured
    return found


def start(up: Up, name: str, *command: str, openai_url: str = "") -> subprocess.Popen[bytes]:
    """A program that sends to the running process, as a service and environment of this name."""
    env = environment(Scenario(name, "", "", ()), endpoint=up.url, openai_url=openai_url, base=os.environ)
    return subprocess.Popen(
        [sys.executable, *command], env={**env, "SPANRUNS_ENVIRONMENT": name}, stdin=subprocess.DEVNULL
    )


def test_answered_in_time(rows: Rows, up: Up, api: Api) -> None:
    """A started run is answered as running within 2 s of its start, an ended one as ended within 3 s of its end.

    Of three runs the middle one counts: a machine that does something else for a moment is not what is tested.
    """
    assert rows
    watch = Watch()
    going: set[int | None] = set()
    with start(up, "delays", str(PROGRAMS / "jobs.py")) as process:

        def all_ended(found: Rows) -> bool:
            watch.update(found, datetime.now(UTC))
            going.update(run["progress_total"] for run in found if run["status"] == "running")
            return [run["status"] for run in found] == ["success"] * 3

        await_runs(api, all_ended, 60, environment="delays")
        assert process.wait(30) == 0
    never = float("inf")
    seen = watch.newest(3)
    assert 5 in going
    assert median(never if one.after_start_s is None else one.after_start_s for one in seen) < 2
    assert median(never if one.after_end_s is None else one.after_end_s for one in seen) < 3


def test_four_spans_of_one_call(rows: Rows, up: Up, api: Api) -> None:
    """An agent's call of an MCP tool is told by the agent, two clients and the server; it is one tool call of one run."""
    assert rows
    with start(up, "over-mcp", str(PROGRAMS / "agent_over_mcp.py")) as process:
        assert process.wait(60) == 0
    (run,) = await_runs(api, lambda found: [run["status"] for run in found] == ["success"], 30, service="over-mcp")
    found = api.get(f"/api/runs/{run['run_id']}/timeline")
    telling = [span["service_name"] for span in _flat(found["spans"]) if "reorder" in span["name"]]
    assert telling == ["over-mcp", "over-mcp", "over-mcp", "stock-server"]
    (call,) = api.get(f"/api/runs/{run['run_id']}/tool-calls")["tool_calls"]
    assert (call["tool_name"], call["status"], call["service_name"]) == ("reorder", "success", "over-mcp")
    assert json.loads(call["arguments"]) == {"item": "a", "amount": 0}
    assert (run["tool_call_count"], run["model_call_count"]) == (1, 2)


def test_further_rounds(rows: Rows, up: Up, api: Api) -> None:
    """Services that go on work as well in their second round, and end well when they are asked to."""
    assert rows
    expected = sorted(run for scenario in SCENARIOS[1:] for run in scenario.expected() * 2)
    watch = Watch()

    def has_all(found: Rows) -> bool:
        watch.update(found, datetime.now(UTC))
        return not watch.missing(expected)

    since = datetime.now(UTC).isoformat()
    with running_fake_openai() as openai_url, ExitStack() as stack:
        services = []
        for scenario in SCENARIOS[1:]:
            command = ("-m", scenario.module, "--pause", "0.1")
            service = stack.enter_context(start(up, scenario.service_name, *command, openai_url=openai_url))
            stack.callback(service.terminate)
            services.append(service)
        await_runs(api, has_all, 60, **{"from": since})
        for service in services:
            service.terminate()
        assert [service.wait(15) for service in services] == [0] * len(services)


def test_no_process_is_left(rows: Rows, up: Up, others: set[int]) -> None:
    """Of the demo and its services nothing runs any more."""
    assert rows
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if "spanruns_receiver.demo.agents" in " ".join(process.info["cmdline"] or ())
    ]
    assert left == []
    assert children() - others == {up.process.pid}
