"""`spanruns schema backfill` and `spanruns resolve` where they must refuse, and a backfill of an embedded store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spanruns_receiver import cli, process
from spanruns_receiver.spool import Spool, SpoolLimits
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

from tests.support.resolving import Bench
from tests.support.spans import span, spans_request

RUN = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "boss"}


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    told = capfd.readouterr()
    return int(ended.value.code or 0), told.out, told.err


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (("resolve",), "it resolves by itself"),
        (
            ("schema", "backfill", "--from", "1d"),
            "stop it, backfill, and start it again; with a ClickHouse server it may go on",
        ),
    ],
)
def test_a_served_directory_is_refused(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...], advice: str
) -> None:
    """Only one process can open an embedded store; the message says which has it and what to do."""
    (tmp_path / process.RUNNING_FILE).write_text(json.dumps({"api": 1, "host": "127.0.0.1", "pid": 7}))
    spool = Spool(tmp_path / "spool", SpoolLimits(2**20, 0))  # its lock says that the process is alive
    try:
        told = run(capfd, *command, "--data", str(tmp_path))
    finally:
        spool.close()
    assert told == (1, "", f"{tmp_path} is served by process 7: {advice}\n")


def test_a_range_that_is_none(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Before anything is opened."""
    code, _, err = run(capfd, "schema", "backfill", "--from", "soon", "--data", str(tmp_path))
    assert code == 2
    assert err.startswith("spanruns: --from 'soon' is no time: ")


def test_an_embedded_store(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Runs are there afterwards, and the command says what it did."""
    store = EmbeddedStore(tmp_path / "store")
    Bench(store).receive(spans_request([span(1, "invoke_agent boss", RUN)]))
    store.close()
    told = run(capfd, "schema", "backfill", "--from", "2025-10-09", "--to", "2025-10-10", "--data", str(tmp_path))
    assert (told[0], told[1]) == (
        0,
        "rebuilt 1 spans and events from 2025-10-09 00:00:00 UTC to 2025-10-10 00:00:00 UTC\n",
    )
    store = EmbeddedStore(tmp_path / "store")
    try:
        assert rows(store, "SELECT agent_name FROM runs") == [{"agent_name": "boss"}]
    finally:
        store.close()
