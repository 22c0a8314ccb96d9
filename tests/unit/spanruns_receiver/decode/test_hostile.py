"""Requests made to exhaust the receiver: small ones that would grow, large ones full of nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest
from spanruns_receiver.decode import compiled

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="protobuf's own parser, in the portable decoder, grows")

# In a process of its own, whose peak of memory nothing else has raised.
SCRIPT = """
    import json, resource, sys, time
    from spanruns_receiver.decode import Limits, compiled
    from spanruns_receiver.decode.block import varint
    from spanruns_receiver.facts import package_facts
    from spanruns_schema.errors import BadInput

    SIZE = 8 << 20

    def field(number, content):
        return varint(number << 3 | 2) + varint(len(content)) + content

    def request(spans, resource=b""):
        return field(1, field(1, resource) + field(2, spans))

    IDS = field(1, bytes([1]) * 16) + field(2, bytes([2]) * 8)

    def span(more):
        return request(field(2, IDS + more))

    def value(content):
        return span(field(9, field(1, b"k") + field(2, content)))

    def agents(*texts):
        said = [("openinference.span.kind", "AGENT"), *zip(texts[::2], texts[1::2])]
        held = b"".join(field(9, field(1, key.encode()) + field(2, field(1, text.encode()))) for key, text in said)
        return request(field(2, IDS + held) * (SIZE // len(held)))

    MB = (1 << 20) - 1

    deep = b""
    while len(deep) < 20_000:
        deep = field(5, field(1, deep))

    CASES = {
        "empty attributes": lambda: span(field(9, b"") * (SIZE // 2)),
        "many attributes": lambda: span(b"".join(field(9, field(1, b"%d" % n)) for n in range(SIZE // 12))),
        "empty events": lambda: span(field(11, b"") * (SIZE // 2)),
        "empty links": lambda: span(field(13, b"") * (SIZE // 2)),
        "empty spans": lambda: request(field(2, b"") * (SIZE // 2)),
        "empty scopes": lambda: field(1, field(2, b"") * (SIZE // 2)),
        "empty resources": lambda: field(1, b"") * (SIZE // 2),
        "spans of ids": lambda: request(field(2, IDS) * (SIZE // 34)),
        "large resource": lambda: request(
            field(2, IDS) * 10_000, field(1, field(1, b"k") + field(2, field(1, b"x" * SIZE)))
        ),
        "empty list members": lambda: value(field(5, field(1, b"") * (SIZE // 2))),
        "empty map members": lambda: value(field(6, field(1, b"") * (SIZE // 2))),
        "control characters": lambda: value(field(5, field(1, field(1, bytes([1]) * SIZE)))),
        "invalid utf-8": lambda: value(field(1, bytes([255]) * SIZE)),
        "deep lists": lambda: value(deep),
        "not protobuf": lambda: bytes([255]) * SIZE,
        "documents of numbers": lambda: agents("metadata", "[" + "1," * (MB // 2 - 1) + "1]"),
        "documents of lists": lambda: agents("metadata", "[" + "[]," * (MB // 3 - 1) + "1]"),
        "documents of keys": lambda: agents("metadata", "{" + '"%su0061":1,' % chr(92) * (MB // 11 - 1) + '"a":1}'),
        "tags": lambda: agents("tag.tags", "," * MB),
        "listed tags": lambda: agents("tag.tags", "[" + '"",' * (MB // 3 - 1) + '""]'),
        "numbers": lambda: agents("spanruns.run.queued_at", "1" * MB, "llm.cost.total", "0." + "3" * (MB - 2)),
        "types": lambda: agents("error.message", "a." * (MB // 2), "error.type", "cancelle" * (MB // 8)),
        "tracebacks": lambda: agents("error.message", "Traceback " * (MB // 10), "error.type", "Exception"),
        "prefixes": lambda: span(
            b"".join(field(9, field(1, b"gen_ai.prompt.%d" % n) + field(2, field(1, bytes([1]) * 8000))) for n in range(999))
        ),
        "events": lambda: span(field(11, field(2, b"gen_ai.user.message")) * (SIZE // 24)),
    }
    worst = {}
    facts = package_facts()
    for name, make in CASES.items():
        payload = make()
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        for attempt in (compiled.validate, compiled.decode):
            given = payload if attempt is compiled.validate else [payload]
            try:
                attempt("traces", given, Limits())
            except BadInput:
                pass
        try:
            compiled.decode("traces", [payload], Limits(), [], facts)
        except BadInput:
            pass
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        worst[name] = [grown >> 10, time.process_time() - started]
    print(json.dumps(worst))
"""


def test_eight_megabytes_of_anything_need_little_memory_and_time() -> None:
    """No shape of request makes the decoder grow to many times its size, or takes seconds."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, check=True, text=True, timeout=120
    )
    found: dict[str, list[float]] = json.loads(done.stdout)

    # Megabytes beyond the peak before, CPU seconds; a control character becomes six of JSON.
    assert {name: cost for name, cost in found.items() if cost[0] > 120 or cost[1] > 3} == {}
    assert len(found) == 25
