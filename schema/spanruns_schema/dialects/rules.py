"""What the dialects' SQL and the readers that do without it have in common: words that are none, shapes of errors, limits."""

from __future__ import annotations

from collections.abc import Sequence

from spanruns_schema.dialects.dialect import Dialect, Record

CONTENT_LIMIT = 16_384
"""Characters of an input, output, argument or result kept in facts and runs; the whole stays in the raw row."""

MODALITIES = (
    "audio_input_tokens",
    "audio_output_tokens",
    "audio_cache_read_tokens",
    "image_input_tokens",
    "image_output_tokens",
    "image_cache_read_tokens",
)
"""Fields and columns for the tokens of a call that are no text: parts of its input, output and cached tokens."""

FACTS_WRITTEN = "spanruns:facts"
"""`log_comment` of an insert whose writer has made the facts itself, so that the views leave its rows alone."""

CANCELLED = r"(?i)(cancell?ed(error|exception)?|cancell?ation|aborterror|keyboardinterrupt|generatorexit|cancell?ed by (the )?user)$"
"""Types of errors that say so. With `GeneratorExit` Python closes a stream that nobody reads any more."""

CANCELLED_TEXT = (
    r"(?i)((^|: '?)((the|this) operation was aborted|request was aborted|(context|activity|workflow|(child )?workflow execution) cancell?ed|"
    r"abandoned stream|DBOS Error 1[03]: .+ cancelled(\. Aborting function)?)\.?([\x22']\})?|^(error: )?abort(ed|error)?)$"
)
"""What is said where the type says nothing: in JavaScript it is a code (`20`) or `Error`, in Go every error's; of OpenAI Agents in Temporal
none is told."""

CONTROL_FLOW = r"(^|\.)(ParentCommand|GraphInterrupt|NodeInterrupt|GraphBubbleUp)$"
"""Exceptions that are no failure: LangGraph hands over to another agent, or asks a person, by raising one."""

TRACEBACK = r"(?s)^(.+?)\s*(?:Traceback \(most recent call last\):|\n\nNoneType: None).*$"
"""What Python puts behind a message; LangSmith does so where there is no traceback, too."""
STACK = r"(?s)^(?:.*?\n\n)??([\w.$]+(?: \[\w+\])?(?:: .*?)?)\n[ \t]+at .+$"
"""What JavaScript and Java put under a message: what stands in front of the frames says it again, with its type."""
TYPE_IN_MESSAGE = (
    r'^(?:Error (?:in agent run|running tool)[^{]*\{(?:"tool_name":"[^"]*",)?"error":")?'  # OpenAI Agents in JavaScript
    r"(Error|ParentCommand|[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Timeout|Cancell?ed|Triggered|Failure))(?:\(|: |$)"
)
TEXT_AFTER_TYPE = r"(?s)^[\w.]+(?:\(['\"]?(.*?)['\"]?,?\)|: (.*))$"
GENERAL_TYPES = (
    "",
    "_OTHER",
    "Error",
    "Exception",
    "java.lang.RuntimeException",
    "java.util.concurrent.CompletionException",
    "java.util.concurrent.ExecutionException",
)
"""Types that say less than one at the beginning of the message."""

NO_VALUES = ("", "null", "<REDACTED>", "_OTHER", '{"text":"","files":[]}')
"""What stands in the place of an attribute's value that there is not; of `_OTHER`, an error's type, an event may know more. The last is
what an agent of Mastra 0 answers that was aborted."""

NO_CONTENTS = (*NO_VALUES, "{}", "[]")
"""The same of contents."""

NO_MODELS = ("unknown", "none")
"""What stands in the place of a model that nobody knows."""

MODEL_PLACE = (
    r"^(arn:aws[\w-]*:bedrock:[^/]*:(foundation-model|inference-profile)/|((projects|publishers)/.*/)?models/)"
)
"""Where a model is kept, in front of its name: Google's and Amazon's names of resources."""

INTERNAL_TAG = r"^(seq|graph):step:\d+$"

LIFECYCLE = ("queued", "started", "heartbeat", "waiting", "resumed", "progress")
"""Events of a run, behind `spanruns.run.`."""

CONTENT = "content"
"""The event of facts that tell of another fact's span: contents, or why it failed."""


def content_records(dialects: Sequence[Dialect]) -> dict[str, tuple[str, Record]]:
    """By the name of an event, what its log record holds, and the dialect that says so: the first in their order."""
    found = [(event, (dialect.name, said)) for dialect in dialects for event, said in dialect.records.items()]
    return dict(reversed(found))
