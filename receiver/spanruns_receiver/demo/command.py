"""`spanruns demo`: start the services, show what the API answers, until everything is there or for as long as one likes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from rich.console import Console

from spanruns_receiver.demo import place
from spanruns_receiver.demo.client import Api, Unanswered
from spanruns_receiver.demo.fake_openai import running_fake_openai
from spanruns_receiver.demo.place import NotStarted, Place
from spanruns_receiver.demo.scenarios import SCENARIOS, Expected, Scenario
from spanruns_receiver.demo.screen import ROWS, Guide, Screen
from spanruns_receiver.demo.services import Services
from spanruns_receiver.demo.watch import Watch
from spanruns_receiver.settings import load_settings

POLL_S = 0.5
PATIENCE_S = 5.0
"""How long the next service waits for the one before it to show a run."""
LATE_S = 20.0
"""How long after the last service has ended its runs may take to be answered."""
MODEL_DELAY_S = 0.2


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    once: bool = False
    up: bool = False
    api: str | None = None
    endpoint: str | None = None
    data: Path | None = None


def demo(options: Options, console: Console | None = None) -> int:
    """Run it; returns the status to exit with: 0, or 1 when something did not start or a run is missing."""
    console = console or Console()
    try:
        with _interruptible(), ExitStack() as stack:
            where = _find(options, console, stack)
            return 1 if where is None else _run(options, where, console)
    except NotStarted as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 1 if options.once else 0


def _find(options: Options, console: Console, stack: ExitStack) -> Place | None:
    """The spanruns to send to; None, with a word why, if there is none."""
    settings = load_settings(data=options.data)
    found = place.existing(settings, options.api, options.endpoint)
    if Api(found.api_url).is_there():
        return found
    if not options.up or options.api or options.endpoint:
        console.print(
            f"Nothing answers at {found.api_url}. Start `{command_name()} up` first, or let the demo: "
            f"`{command_name()} demo --up`.",
            markup=False,
            soft_wrap=True,
        )
        return None
    ports = place.free_ports(settings)
    for name, port in ports.items():
        if not port:
            taken = getattr(settings, f"{name}_port")
            console.print(f"Port {taken} is taken; another one is used.", markup=False)
    console.print(f"Starting spanruns, its data in {settings.data}/ ...", markup=False)
    return stack.enter_context(place.started(settings.data, ports))


def _run(options: Options, where: Place, console: Console) -> int:
    guide = Guide(where.api_url, where.otlp_http, where.otlp_grpc, command_name())
    since = datetime.now(UTC)
    with ExitStack() as stack:
        logs = stack.enter_context(TemporaryDirectory(prefix="spanruns-demo-"))
        openai_url = stack.enter_context(running_fake_openai(MODEL_DELAY_S))
        screen = stack.enter_context(Screen(console, guide))
        services = stack.enter_context(
            Services(Path(logs), endpoint=where.otlp_http, openai_url=openai_url, once=options.once)
        )
        rounds = Rounds(Api(where.api_url), since, services, screen, list(_startable(screen)))
        try:
            status = rounds.once() if options.once else rounds.go_on(where)
        except KeyboardInterrupt:
            screen.say("Stopping ...")
            raise
    if options.once and status == 0:
        screen.show_guide()
    return status


def _startable(screen: Screen) -> Iterator[Scenario]:
    for scenario in SCENARIOS:
        if missing := scenario.missing():
            screen.say(
                f"{scenario.framework}: {', '.join(missing)} not installed, so {scenario.service_name} stays out: "
                "pip install 'spanruns[demo]'"
            )
        else:
            yield scenario


@dataclass
class Rounds:
    """Starts the services one after the other, so that the imports of all do not fight for the machine, and watches
    their runs arrive.
    """

    api: Api
    since: datetime
    services: Services
    screen: Screen
    waiting: list[Scenario]
    expected: list[Expected] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    _next_at: float = 0.0
    _said: set[str] = field(default_factory=set)

    def once(self) -> int:
        """Until every expected run is answered."""
        end: float | None = None
        while True:
            self.look()
            missing = self.watch.missing(self.expected)
            if not self.waiting and self.services.are_done():
                if not missing and not self.services.failures():
                    return 0
                end = end or time.monotonic() + LATE_S
                if not missing or time.monotonic() > end:
                    return self._say_missing(missing)
            time.sleep(POLL_S)

    def go_on(self, where: Place) -> int:
        """Until it is stopped."""
        has_guide = False
        while where.is_alive():
            self.look()
            if not has_guide and not self.waiting and not self.watch.missing(self.expected):
                self.screen.show_guide()
                has_guide = True
            time.sleep(POLL_S if self.waiting else 2 * POLL_S)
        self.screen.say("spanruns up has ended; its log is in the data directory (up.log)")
        return 1

    def look(self) -> None:
        """Start the next service if it is time, ask once, show what has changed, say which services ended badly."""
        self._start_next()
        for failure in self.services.failures():
            self._say(failure)
        try:
            rows = self.api.runs(self.since)
        except Unanswered as error:
            self._say(str(error))
            return
        now = datetime.now(UTC)
        changed = self.watch.update(rows, now)
        self.screen.show(changed, self.watch.newest(ROWS), now)

    def _start_next(self) -> None:
        """The next one starts when all before it have shown a run, or after a while."""
        shown = {seen.row["service_name"] for seen in self.watch.newest(200)}
        now = time.monotonic()
        if self.waiting and (now >= self._next_at or {run.service_name for run in self.expected} <= shown):
            scenario = self.waiting.pop(0)
            self.services.start(scenario)
            self.expected += scenario.expected()
            self._next_at = now + PATIENCE_S

    def _say(self, text: str) -> None:
        """Once each."""
        if text not in self._said:
            self._said.add(text)
            self.screen.say(text)

    def _say_missing(self, missing: list[Expected]) -> int:
        for run in missing:
            self._say(f"missing: {run.agent_name} of {run.service_name} with status {run.status}")
        return 1


def command_name() -> str:
    """How `spanruns` is called from here."""
    called = Path(sys.argv[0])
    if called.name != "spanruns":
        return f"{Path(sys.executable).name} -m spanruns_receiver"
    on_path = shutil.which("spanruns")
    if on_path and Path(on_path).resolve() == called.resolve():
        return "spanruns"
    return os.path.relpath(called)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal stop the demo like Ctrl-C."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signals = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(one, interrupt) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)
