"""Starting, stopping and looking at a receiver, as an operator does it."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from spanruns_receiver.spool import DeadLetter, DeadLetters, Spool, SpoolLimits

from tests.support.otlp import traces
from tests.support.up import Up, ask_store, running_up

PROTOBUF = {"content-type": "application/x-protobuf"}


def spanruns(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    start = ["-c", code] if code else ["-m", "spanruns_receiver"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "SPANRUNS_MIN_FREE_BYTES": "0", "NO_COLOR": "1", "COLUMNS": "200"},
    )


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_a_life(tmp_path: Path) -> None:
    """The ready file has the real ports while it serves; a stop stores everything and leaves no file behind."""
    data = tmp_path / "data"
    with running_up(data) as up:
        assert up.ports["pid"] == up.process.pid
        assert httpx.get(f"{up.url}/readyz").status_code == 200
        api = f"http://127.0.0.1:{up.ports['api']}"
        assert httpx.get(f"{api}/healthz").status_code == 200
        assert httpx.get(f"{api}/readyz").json()["status"] == "ready"
        assert "spanruns_receiver_decoder_info" in httpx.get(f"{api}/metrics").text
        assert json.loads((data / "running.json").read_bytes()) == up.ports
        with socket.create_connection(("127.0.0.1", up.ports["grpc"]), timeout=10):
            pass
        answer = httpx.post(
            f"{up.url}/v1/traces", content=traces(1, start_ns=time.time_ns()), headers=PROTOBUF, timeout=30
        )
        assert answer.status_code == 200
        assert up.stop() == 0
    assert not up.ready_file.exists()
    assert not (data / "running.json").exists()
    assert ask_store(data, "SELECT SpanName AS name FROM otel_traces") == [[{"name": "span 1."}]]


def test_interrupt_is_a_stop(tmp_path: Path) -> None:
    """Ctrl-C ends it like SIGTERM, with status 0."""
    with running_up(tmp_path / "data") as up:
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 0


@pytest.mark.parametrize("flag", ["--grpc-port", "--http-port"])
def test_taken_port(tmp_path: Path, flag: str) -> None:
    """A taken port ends the start with status 2, the port and the flag; what was started before is shut down."""
    ports = {"--grpc-port": "0", "--http-port": "0", "--api-port": "0", "--clickhouse-port": "0"}
    with taken_port() as port:
        ports[flag] = str(port)
        flags = [part for pair in ports.items() for part in pair]
        done = spanruns("up", "--data", str(tmp_path / "data"), *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} on 127.0.0.1 cannot be opened" in done.stderr
    assert f"set {flag} (SPANRUNS_" in done.stderr
    with running_up(tmp_path / "data"):
        pass


def test_data_directory_in_use(tmp_path: Path) -> None:
    """A second process on the same data directory is told which process has it."""
    with running_up(tmp_path / "data") as up:
        done = spanruns("receive", "--data", str(tmp_path / "data"), "--grpc-port", "0", "--http-port", "0")
        assert done.returncode == 2
        assert f"in use by another process (pid {up.process.pid})" in done.stderr
        assert httpx.get(f"{up.url}/healthz").status_code == 200


def test_data_directory_that_cannot_be(tmp_path: Path) -> None:
    """A file where the directory should be ends the start with status 2 and what to set; the doctor lives to tell of it."""
    (tmp_path / "data").touch()
    done = spanruns("receive", "--data", str(tmp_path / "data"), "--grpc-port", "0", "--http-port", "0")
    assert done.returncode == 2
    assert "set --data (SPANRUNS_DATA)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "set --data" in spanruns("doctor", "--data", str(tmp_path / "data")).stdout


def test_damaged_data_directory_is_looked_at(tmp_path: Path) -> None:
    """What tells of a running process may be anything; a spool of a newer version is a finding."""
    data = tmp_path / "data"
    Spool(data / "spool", SpoolLimits(2**30, 0)).close()
    (data / "running.json").write_bytes(b"\xff[")
    plan = (data / "spool" / "plan").read_bytes()
    body = b'{"next_sequence":1,"batches":[{"what":"is this"}]}'
    slot = struct.pack("<8sQII", b"SPRPLAN1", 2, len(body), zlib.crc32(body, 2)) + body
    (data / "spool" / "plan").write_bytes(slot + plan[len(slot) :])
    done = spanruns("doctor", "--data", str(data))
    assert done.returncode == 1
    assert "newer version" in done.stdout
    assert "port" in done.stdout
    assert spanruns("spool", "status", "--data", str(data)).returncode == 2


def test_without_the_embedded_extra(tmp_path: Path) -> None:
    """Without chdb the message says what to install."""
    code = "import sys; sys.modules['chdb'] = None; from spanruns_receiver.cli import main; main(sys.argv[1:])"
    ports = ["--grpc-port", "0", "--http-port", "0", "--api-port", "0", "--clickhouse-port", "0"]
    done = spanruns("up", "--data", str(tmp_path / "data"), *ports, code=code)
    assert done.returncode == 2
    assert 'pip install "spanruns[embedded]"' in done.stderr


def test_without_a_command_it_is_up(tmp_path: Path) -> None:
    """`python -m spanruns_receiver --flags` takes the flags of `up`."""
    done = spanruns("--grpc-port", "99999", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "SPANRUNS_GRPC_PORT (--grpc-port) is 99999" in done.stderr


def test_schema_commands(tmp_path: Path) -> None:
    """`schema apply` makes the store, `status` says that it is current; beside a running receiver both step
    back.
    """
    data = ["--data", str(tmp_path / "data")]
    for only_looks in (["apply", "--dry-run"], ["status"]):
        missing = spanruns("schema", *only_looks, *data)
        assert (missing.returncode, "no store in" in missing.stderr) == (2, True)
    assert not (tmp_path / "data").exists()
    applied = spanruns("schema", "apply", *data)
    assert applied.stdout.splitlines()[-1] == "the schema is up to date"
    status = spanruns("schema", "status", *data)
    assert (status.returncode, "pending" in status.stdout) == (0, False)
    dry = spanruns("schema", "apply", "--dry-run", *data)
    assert (dry.returncode, dry.stdout) == (0, "nothing was changed\n")
    with running_up(tmp_path / "data") as up:
        beside = spanruns("schema", "status", *data)
        assert (beside.returncode, f"process {up.process.pid}" in beside.stderr) == (1, True)


def bury(data: Path, number: int) -> DeadLetter:
    """Put a request with one span among the dead letters."""
    payload = traces(number, start_ns=time.time_ns())
    letter = DeadLetter(f"{number}-0-1-otel_traces", "traces", "otel_traces", "Code: 6", 6, 1, 1, len(payload))
    DeadLetters(data / "spool" / "dead").add(letter, payload)
    return letter


def test_spool_commands(tmp_path: Path) -> None:
    """What waits and what was refused can be seen, and refused requests be queued again."""
    data = tmp_path / "data"
    flags = ["--data", str(data)]
    missing = spanruns("spool", "status", *flags)
    assert (missing.returncode, "there is no spool" in missing.stderr) == (1, True)
    spool = Spool(data / "spool", SpoolLimits(2**30, 0))
    payload = traces(1, 2, start_ns=time.time_ns())
    spool.append("traces", payload, 2, spool.digest("traces", payload)).result(10)
    spool.close()
    letter = bury(data, 7)
    status = " ".join(spanruns("spool", "status", *flags).stdout.split())
    assert "requests waiting 1 items waiting 2" in status
    assert "dead letters 1 with 1 items" in status
    listed = spanruns("spool", "inspect", *flags).stdout
    assert letter.name in listed
    assert "Code: 6" in listed
    shown = json.loads(spanruns("spool", "inspect", letter.name, *flags).stdout)
    assert shown["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "span 7."
    assert spanruns("spool", "replay", "nonsense", *flags).returncode == 1
    assert "queued for the next start" in spanruns("spool", "replay", "--all", *flags).stdout
    with running_up(data) as up:
        assert up.stop() == 0
    names, facts = ask_store(
        data,
        "SELECT SpanName AS name FROM otel_traces ORDER BY name",
        "SELECT reinterpretAsUInt64(reverse(unhex(span_id))) - 1 AS n FROM span_facts ORDER BY n",
    )
    assert names == [{"name": f"span {n}."} for n in (1, 2, 7)]
    assert facts == [{"n": 1}, {"n": 2}]  # the letter was for one table: the others have what they took


def test_replay_into_a_running_receiver(tmp_path: Path) -> None:
    """Dead letters go through the door of the receiver that runs, with its token."""
    data = tmp_path / "data"
    with running_up(data, environment={"SPANRUNS_INGEST_TOKENS": "secret"}) as up:
        letter = bury(data, 3)
        refused = spanruns("spool", "replay", "--all", "--data", str(data))
        assert refused.returncode == 1
        assert "send the header" in refused.stderr
        assert "set SPANRUNS_INGEST_TOKENS" in refused.stderr
        assert list(DeadLetters(data / "spool" / "dead")) == [letter]
        os.environ["SPANRUNS_INGEST_TOKENS"] = "secret"
        try:
            sent = spanruns("spool", "replay", letter.name, "--data", str(data))
        finally:
            del os.environ["SPANRUNS_INGEST_TOKENS"]
        assert "sent" in sent.stdout
        assert up.stop() == 0
    assert list(DeadLetters(data / "spool" / "dead")) == []
    counts = ask_store(data, "SELECT count() AS n FROM otel_traces", "SELECT count() AS n FROM span_facts")
    assert counts == [[{"n": 1}], [{"n": 0}]]


def test_doctor(tmp_path: Path) -> None:
    """The doctor finds nothing wrong on a fresh directory, sees a running receiver, and names what is wrong."""
    data = tmp_path / "data"
    fresh = spanruns("doctor", "--data", str(data))
    assert "made at the first start" in fresh.stdout
    with running_up(data) as up:
        beside = spanruns("doctor", "--data", str(data))
        assert f"open in process {up.process.pid}" in beside.stdout
    assert "schema     is up to date" in spanruns("doctor", "--data", str(data)).stdout
    away = spanruns("doctor", "--data", str(data), "--store", "clickhouse://127.0.0.1:1/x")
    assert away.returncode == 1
    assert "fix  store" in away.stdout


def test_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Who does not want to wait for the store asks twice."""
    environment = {"SPANRUNS_DRAIN_TIMEOUT_S": "60"}
    up = Up(tmp_path / "data", "--store", "clickhouse://127.0.0.1:1/x", command="receive", environment=environment)
    answer = httpx.post(f"{up.url}/v1/traces", content=traces(1), headers=PROTOBUF, timeout=30)
    assert answer.status_code == 200
    up.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        up.process.wait(1)
    assert up.stop() == 128 + signal.SIGTERM
