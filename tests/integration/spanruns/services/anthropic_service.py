"""The plain Anthropic client inside a run of ours: success, failure, stream."""

import sys
from contextlib import suppress
from typing import Any

import spanruns
import spanruns.auto

import anthropic  # isort: skip - the import comes after ours

MESSAGES: Any = [{"role": "user", "content": "hi"}]


@spanruns.run("asker", kind="agent")
def ask(scenario: str) -> None:
    client = anthropic.Anthropic(max_retries=0)
    if scenario == "success":
        client.messages.create(model="claude-fake", max_tokens=10, messages=MESSAGES)
    elif scenario == "failure":
        client.messages.create(model="fail-429", max_tokens=10, messages=MESSAGES)
    elif scenario == "stream":
        for _ in client.messages.create(model="claude-fake", max_tokens=10, messages=MESSAGES, stream=True):
            pass


with suppress(anthropic.RateLimitError):
    ask(sys.argv[1])
