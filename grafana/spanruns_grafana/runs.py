"""The dashboard "Runs": what ran, what runs, what went wrong, and the way to each run."""

from __future__ import annotations

from spanruns_grafana import fields
from spanruns_grafana.dashboard import annotation, dashboard, outside_link
from spanruns_grafana.datasource import Json
from spanruns_grafana.fields import (
    COUNT,
    DOLLARS,
    MILLISECONDS,
    SHARE,
    STATUS_COLORS,
    column,
    dashboard_url,
    hidden,
    link,
)
from spanruns_grafana.panels import bars_over_time, cards, ranking, table
from spanruns_grafana.sql import PERIOD, UNFILTERED, call, chosen, quoted, select
from spanruns_grafana.variables import listed, queried, text

UID = "spanruns-runs"
FILTERS = ("agent", "status", "trigger", "service", "environment")
PAGE_URL = "http://localhost:8321"
LISTED_RUNS = 200
RANKED_AGENTS = 20
MARKED_RUNS = 100
OFFERED_VALUES = 1000

# Grafana's quoting of values escapes quotes but no backslashes: what goes into a variable comes with its own escaped.
_ESCAPED_VALUE = r"replaceAll(value, '\\', '\\\\')"
_OPEN_RUN = link("Open run", "${page:raw}/?run=${__data.fields.run_id:percentencode}", new_tab=True)


def build() -> Json:
    """The dashboard."""
    return dashboard(
        UID,
        "Runs",
        "Runs of agents, workflows and jobs that started in the chosen period.",
        variables=[*(_filter(name) for name in FILTERS), text("page", "Page", PAGE_URL)],
        annotations=[_lost_runs()],
        links=[outside_link("Page", "${page:raw}", "The page that spanruns serves itself")],
        rows=[
            (4, [(24, _cards())]),
            (8, [(24, _over_time())]),
            (14, [(24, _list())]),
            (9, [(14, _agents()), (10, _failures())]),
        ],
    )


def _filter(name: str) -> Json:
    if name == "status":
        return listed(name, "Status", list(STATUS_COLORS))
    sql = select(
        f"{_ESCAPED_VALUE} AS chosen, value AS shown",
        call("run_stats", UNFILTERED, by=quoted(name)),
        "WHERE value != ''",
        "ORDER BY shown",
        f"LIMIT {OFFERED_VALUES}",
    )
    return queried(name, name.capitalize(), sql)


def _others(than: str) -> list[str]:
    """The variables that a link keeps when it sets one of them."""
    return [name for name in (*FILTERS, "page") if name != than]


def _cards() -> Json:
    sql = select(
        "total, success_rate, failed, running, waiting, lost, cost_usd, input_tokens, output_tokens",
        call("run_stats", chosen(*FILTERS), by=quoted("")),
    )
    shown = [
        column("total", "Total"),
        column("success_rate", "Success rate", unit=SHARE, color="green", decimals=1, noValue="-"),
        *(_status_card(status) for status in ("failed", "running", "waiting", "lost")),
        column("cost_usd", "Cost", unit=DOLLARS, noValue="-"),
        column("input_tokens", "Input tokens"),
        column("output_tokens", "Output tokens"),
    ]
    description = (
        "Success rate: successes among the runs that succeeded, failed or were lost. "
        "Cost and tokens: what sub-runs used is counted once, with their parent; no cost where no price is known."
    )
    return cards(1, "", sql, shown, description=description)


def _status_card(status: str) -> Json:
    these = link(f"Only {status} runs", dashboard_url(UID, _others("status"), status=status))
    return column(status, status.capitalize(), color=STATUS_COLORS[status], links=[these])


def _over_time() -> Json:
    # Intervals without runs are filled in, or a bar would be as wide as the gap between two runs.
    first, last = (f"toStartOfInterval({time}, toIntervalSecond($__interval_s))" for time in PERIOD.values())
    sql = select(
        "time, status, total",
        call("runs_over_time", chosen(*FILTERS), step_s="$__interval_s"),
        f"ORDER BY time WITH FILL\n  FROM {first}\n  TO {last} + toIntervalSecond($__interval_s)",
        "  STEP toIntervalSecond($__interval_s)",
        "INTERPOLATE (status AS 'success')",
    )
    return bars_over_time(2, "Runs started, by status", sql, fields.status_series(), label="status")


def _list() -> Json:
    sql = select(
        "started_at, status, agent_name, run_id, trigger, service_name, environment, duration_ms, tool_call_count,\n"
        "  tool_error_count, model_call_count, input_tokens, output_tokens, cost_usd, error_class, message",
        call("runs_list", chosen(*FILTERS), before_at=PERIOD["to"], before_id=quoted(""), limit=str(LISTED_RUNS)),
        "ORDER BY started_at DESC, run_id DESC",
    )
    shown = [
        column("started_at", "Started", width=180),
        fields.status_column(),
        column("agent_name", "Agent", width=180, links=[_OPEN_RUN]),
        column("run_id", "Run", width=180, links=[_OPEN_RUN]),
        column("trigger", "Trigger", width=90),
        column("service_name", "Service", width=130),
        column("environment", "Environment", width=110),
        column("duration_ms", "Duration", unit=MILLISECONDS, width=100),
        column("tool_call_count", "Tools", width=70),
        column("tool_error_count", "Tool errors", width=95),
        column("model_call_count", "Models", width=75),
        column("input_tokens", "Input tokens", unit=COUNT, width=105),
        column("output_tokens", "Output tokens", unit=COUNT, width=115),
        column("cost_usd", "Cost", unit=DOLLARS, width=85),
        column("error_class", "Error class", width=110),
        column("message", "Error"),
    ]
    description = (
        "Duration: execution, without waiting. Tools, Models: how often they were called. "
        "Error: the message, or whom a run waits for."
    )
    return table(3, f"Newest {LISTED_RUNS} runs", sql, shown, description=description)


def _agents() -> Json:
    sql = select(
        "value, total, success_rate, failed, lost, avg_duration_ms, cost_usd, input_tokens, output_tokens,\n"
        f"  {_ESCAPED_VALUE} AS chosen",
        call("run_stats", chosen(*FILTERS), by=quoted("agent")),
        "ORDER BY total DESC, value",
        f"LIMIT {RANKED_AGENTS}",
    )
    only = dashboard_url(UID, _others("agent"), agent="${__data.fields.chosen:percentencode}")
    shown = [
        column("value", "Agent", links=[link("Only this agent", only)]),
        column("total", "Runs", width=80),
        column("success_rate", "Success rate", unit=SHARE, decimals=1, width=110),
        column("failed", "Failed", width=75),
        column("lost", "Lost", width=70),
        column("avg_duration_ms", "Average duration", unit=MILLISECONDS, width=140),
        column("cost_usd", "Cost", unit=DOLLARS, width=90),
        column("input_tokens", "Input tokens", unit=COUNT, width=110),
        column("output_tokens", "Output tokens", unit=COUNT, width=120),
        hidden("chosen"),
    ]
    return table(4, "Top agents", sql, shown, description="The agents, workflows and jobs with the most runs.")


def _failures() -> Json:
    sql = select(
        "if(value = '', 'unknown', value) AS error_class, failed",
        call("run_stats", chosen(*FILTERS), by=quoted("error_class")),
        "WHERE failed > 0",
        "ORDER BY failed DESC, error_class",
    )
    return ranking(5, "Failed runs by error class", sql, number="failed", color=STATUS_COLORS["failed"])


def _lost_runs() -> Json:
    runs = chosen(*(name for name in FILTERS if name != "status"), status="lost")
    sql = select(
        "ifNull(last_heartbeat_at, started_at) AS time, 'Run lost' AS title, agent_name AS text",
        call("runs_list", runs, before_at=PERIOD["to"], before_id=quoted(""), limit=str(MARKED_RUNS)),
    )
    return annotation("Lost runs", sql, STATUS_COLORS["lost"])
