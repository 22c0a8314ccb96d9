"""The demo on the screen: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spanruns_receiver.demo.watch import Seen

ROWS = 16
STYLES = {
    "success": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "waiting": "magenta",
    "queued": "blue",
    "lost": "bold red",
}
COLUMNS = ("started", "run", "service", "status", "duration", "tools", "models", "tokens", "answered")


@dataclass(frozen=True)
class Guide:
    """Where to look, and what to try."""

    api_url: str
    otlp_http: str
    otlp_grpc: str | None
    command: str
    """How to call `spanruns` from this directory."""

    def lines(self) -> list[str]:
        """For the end of the screen."""
        otlp = f"{self.otlp_http} (HTTP)" + (f"  {self.otlp_grpc} (gRPC)" if self.otlp_grpc else "")
        at = "" if self.api_url == "http://localhost:8321" else f"--url {self.api_url} "
        sent = "" if self.otlp_http == "http://localhost:4318" else f"OTEL_EXPORTER_OTLP_ENDPOINT={self.otlp_http} "
        instrument = self.command.removesuffix("spanruns") + "spanruns-instrument"
        return [
            f"Page  {self.api_url}/    API  {self.api_url}/docs    OTLP  {otlp}",
            "Try:",
            f'  {self.command} sql {at}"SELECT agent_name, status, count() FROM runs GROUP BY ALL"',
            f"  curl -s {self.api_url}/api/stats",
            f"  OTEL_SERVICE_NAME=my-service {sent}{instrument} python app.py    (or: import spanruns.auto)",
        ]


def cells(seen: Seen, now: datetime) -> list[str]:
    """One run, a text per column."""
    row = seen.row
    started = datetime.fromisoformat(row["started_at"]).astimezone()
    tools, errors = row["tool_call_count"], row["tool_error_count"]
    return [
        f"{started:%H:%M:%S}",
        ("↳ " if row["parent_run_id"] else "") + row["agent_name"],
        row["service_name"],
        row["status"],
        _duration(seen, (now - started).total_seconds()),
        f"{tools} ({errors} failed)" if errors else f"{tools or ''}",
        f"{row['model_call_count'] or ''}",
        f"{(row['input_tokens'] or 0) + (row['output_tokens'] or 0) or ''}",
        answered(seen),
    ]


def _duration(seen: Seen, so_far_s: float) -> str:
    """How long it took; of one that goes on how long so far, and how much of it is done if it says so."""
    row = seen.row
    if row["duration_ms"] is not None:
        return f"{row['duration_ms'] / 1000:.1f} s"
    done, total = row["progress_done"], row["progress_total"]
    return f"{so_far_s:.0f} s" + (f" ({done}/{total})" if done is not None and total else "")


def answered(seen: Seen) -> str:
    """How soon the API knew."""
    if seen.after_end_s is not None:
        return f"{seen.after_end_s:.1f} s after its end"
    return "" if seen.after_start_s is None else f"{seen.after_start_s:.1f} s after its start"


def table(seen: Iterable[Seen], now: datetime) -> Table:
    """The newest runs."""
    found = Table(*COLUMNS, title="Runs, as the API answers them", title_justify="left", expand=False)
    for one in seen:
        texts = [Text(cell) for cell in cells(one, now)]
        texts[3].stylize(STYLES.get(one.row["status"], ""))
        if one.row["tool_error_count"]:
            texts[5].stylize("red")
        found.add_row(*texts)
    return found


class Screen:
    """Shows what came in. Use it as a context manager."""

    def __init__(self, console: Console, guide: Guide) -> None:
        self._console = console
        self._guide = guide
        self._said: list[str] = []
        self._newest: Sequence[Seen] = ()
        self._now = datetime.now(UTC)
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
            self._live.update(self._picture(self._newest, self._now))
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A remark, above the table."""
        self._said.append(text)
        if self._live is None:
            self._print(text)
        else:
            self._live.update(self._picture(self._newest, self._now))

    def show(self, changed: Iterable[Seen], newest: Sequence[Seen], now: datetime) -> None:
        """What has changed, and what is there `now`."""
        self._newest, self._now = newest, now
        if self._live is not None:
            self._live.update(self._picture(newest, now))
            return
        for seen in changed:
            self._print("  ".join(cell for cell in cells(seen, now) if cell))

    def show_guide(self) -> None:
        """The URLs and commands; in a terminal they have been there all the time."""
        if self._live is None:
            for line in self._guide.lines():
                self._print(line)

    def _picture(self, newest: Sequence[Seen], now: datetime) -> RenderableType:
        remarks = [Text(said) for said in self._said[-5:]]
        guide = Text("\n".join(self._guide.lines()))
        return Group(*remarks, table(newest, now), guide)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
