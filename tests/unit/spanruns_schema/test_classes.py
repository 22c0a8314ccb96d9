"""Classes of errors, on messages that real systems gave, and the fingerprint that groups the same failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from spanruns_schema.classes import (
    UNKNOWN,
    classes_version,
    error_class_sql,
    error_classes,
    error_fingerprint_sql,
)
from spanruns_schema.embedded import EmbeddedStore
from spanruns_schema.store import rows

DOCUMENT = Path(__file__).parents[3] / "docs" / "errors.md"

MESSAGES = [
    (
        "rate_limit",
        "openai.RateLimitError",
        "Error code: 429 - {'error': {'message': 'Rate limit reached for gpt-4o in organization org-1'}}",
    ),
    (
        "rate_limit",
        "openai.RateLimitError",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    (
        "rate_limit",
        "anthropic.InternalServerError",
        "Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error', 'message': 'Overloaded'}}",
    ),
    (
        "rate_limit",
        "botocore.exceptions.ClientError",
        "An error occurred (ThrottlingException) when calling the Converse operation: Too many tokens",
    ),
    (
        "rate_limit",
        "google.api_core.exceptions.ResourceExhausted",
        "429 Resource has been exhausted (e.g. check quota).",
    ),
    ("rate_limit", "requests.exceptions.HTTPError", "429 Client Error: Too Many Requests for url: https://x.test/"),
    ("timeout", "openai.APITimeoutError", "Request timed out."),
    ("timeout", "httpx.ReadTimeout", "The read operation timed out"),
    ("timeout", "TimeoutError", ""),
    ("timeout", "asyncio.exceptions.TimeoutError", ""),
    ("timeout", "google.api_core.exceptions.DeadlineExceeded", "504 Deadline Exceeded"),
    ("timeout", "celery.exceptions.SoftTimeLimitExceeded", "SoftTimeLimitExceeded()"),
    (
        "timeout",
        "sqlalchemy.exc.TimeoutError",
        "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
    ),
    (
        "timeout",
        "urllib3.exceptions.ReadTimeoutError",
        "HTTPSConnectionPool(host='x.test', port=443): Read timed out. (read timeout=5)",
    ),
    (
        "auth",
        "openai.AuthenticationError",
        "Error code: 401 - {'error': {'message': 'Incorrect API key provided: sk-1***'}}",
    ),
    (
        "auth",
        "openai.PermissionDeniedError",
        "Error code: 403 - {'error': {'message': 'You are not allowed to sample from this model'}}",
    ),
    ("auth", "botocore.exceptions.NoCredentialsError", "Unable to locate credentials"),
    (
        "auth",
        "botocore.exceptions.ClientError",
        "An error occurred (AccessDeniedException) when calling the InvokeModel operation",
    ),
    ("auth", "jwt.exceptions.ExpiredSignatureError", "Signature has expired"),
    ("auth", "PermissionError", "[Errno 13] Permission denied: '/data/out.csv'"),
    (
        "auth",
        "grpc.aio._call.AioRpcError",
        '<AioRpcError of RPC that terminated with: status = StatusCode.UNAUTHENTICATED details = "no token">',
    ),
    ("auth", "aiohttp.client_exceptions.ClientResponseError", "403, message='Forbidden', url='https://x.test/'"),
    (
        "model",
        "openai.BadRequestError",
        "Error code: 400 - {'error': {'message': \"This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.\", 'code': 'context_length_exceeded'}}",
    ),
    ("model", "anthropic.BadRequestError", "Error code: 400 - prompt is too long: 215000 tokens > 200000 maximum"),
    (
        "model",
        "openai.BadRequestError",
        "Error code: 400 - {'error': {'message': \"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.\", 'code': 'content_filter'}}",
    ),
    ("model", "pydantic_ai.exceptions.UnexpectedModelBehavior", "Exceeded maximum retries (1) for output validation"),
    ("model", "pydantic_ai.exceptions.UsageLimitExceeded", "The next request would exceed the request_limit of 5"),
    ("model", "pydantic_ai.exceptions.ToolRetryError", "Error executing tool boom"),
    (
        "model",
        "langgraph.errors.GraphRecursionError",
        "Recursion limit of 25 reached without hitting a stop condition.",
    ),
    ("model", "agents.exceptions.MaxTurnsExceeded", "Max turns (10) exceeded"),
    ("model", "agents.exceptions.ModelBehaviorError", "Invalid JSON when parsing {'a' for TypeAdapter(Answer)"),
    ("model", "agents.exceptions.InputGuardrailTripwireTriggered", "Guardrail InputGuardrail triggered tripwire"),
    ("model", "langchain_core.exceptions.OutputParserException", "Could not parse LLM output: `I cannot do that`"),
    ("model", "openai.LengthFinishReasonError", "Could not parse response content as the length limit was reached"),
    ("config", "ModuleNotFoundError", "No module named 'pandas'"),
    ("config", "ImportError", "cannot import name 'x' from 'y'"),
    ("config", "KeyError", "'OPENAI_API_KEY'"),
    (
        "config",
        "openai.OpenAIError",
        "The api_key client option must be set either by passing api_key to the client or by setting the OPENAI_API_KEY environment variable",
    ),
    (
        "config",
        "openai.NotFoundError",
        "Error code: 404 - {'error': {'message': 'The model `gpt-9` does not exist or you do not have access to it.', 'code': 'model_not_found'}}",
    ),
    ("config", "NameError", "name 'foo' is not defined"),
    ("config", "AttributeError", "'Client' object has no attribute 'ask'"),
    ("config", "NotImplementedError", ""),
    ("dependency", "openai.APIConnectionError", "Connection error."),
    (
        "dependency",
        "openai.InternalServerError",
        "Error code: 500 - {'error': {'message': 'The server had an error while processing your request.'}}",
    ),
    (
        "dependency",
        "requests.exceptions.ConnectionError",
        "HTTPSConnectionPool(host='x.test', port=443): Max retries exceeded with url: / (Caused by NewConnectionError('[Errno 111] Connection refused'))",
    ),
    ("dependency", "requests.exceptions.SSLError", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    ("dependency", "socket.gaierror", "[Errno -2] Name or service not known"),
    ("dependency", "psycopg2.OperationalError", 'could not connect to server: is the server running on host "db"?'),
    ("dependency", "httpx.RemoteProtocolError", "Server disconnected without sending a response."),
    ("dependency", "requests.exceptions.HTTPError", "502 Server Error: Bad Gateway for url: https://x.test/"),
    ("dependency", "google.api_core.exceptions.ServiceUnavailable", "503 The service is currently unavailable."),
    ("dependency", "grpc._channel._InactiveRpcError", "StatusCode.UNAVAILABLE"),
    ("dependency", "kafka.errors.NoBrokersAvailable", "NoBrokersAvailable"),
    ("dependency", "mcp.shared.exceptions.McpError", "Connection closed"),
    ("dependency", "OSError", "[Errno 28] No space left on device"),
    ("data", "ValueError", "invalid literal for int() with base 10: 'x'"),
    ("data", "TypeError", "unsupported operand type(s) for +: 'int' and 'NoneType'"),
    ("data", "KeyError", "'customer_id'"),
    (
        "data",
        "pydantic_core._pydantic_core.ValidationError",
        "1 validation error for Order\nprice\n  Input should be a valid number",
    ),
    ("data", "json.decoder.JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
    ("data", "UnicodeDecodeError", "'utf-8' codec can't decode byte 0xff in position 0"),
    ("data", "FileNotFoundError", "[Errno 2] No such file or directory: '/data/in.csv'"),
    ("data", "psycopg2.errors.UniqueViolation", 'duplicate key value violates unique constraint "orders_pkey"'),
    ("data", "ZeroDivisionError", "division by zero"),
    ("data", "openai.UnprocessableEntityError", "Error code: 422"),
    ("data", "AssertionError", ""),
    ("transient", "psycopg2.errors.DeadlockDetected", "deadlock detected"),
    ("transient", "sqlite3.OperationalError", "database is locked"),
    ("transient", "redis.exceptions.BusyLoadingError", "Redis is loading the dataset in memory"),
    ("transient", "RuntimeError", "Temporary failure, please try again later"),
    ("cancelled", "asyncio.exceptions.CancelledError", ""),
    ("cancelled", "concurrent.futures._base.CancelledError", ""),
    ("cancelled", "KeyboardInterrupt", ""),
    ("cancelled", "GeneratorExit", ""),
    ("cancelled", "_OTHER", "abandoned stream"),
    ("cancelled", "AbortError", "The operation was aborted."),
    (UNKNOWN, "RuntimeError", "tool exploded"),
    (UNKNOWN, "tool_error", ""),
    (UNKNOWN, "_OTHER", "it broke"),
    (UNKNOWN, "", ""),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """An engine."""
    found = EmbeddedStore(tmp_path_factory.mktemp("store"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def classes(store: EmbeddedStore) -> list[str]:
    """The class of each message."""
    pairs = {"kinds": [kind for _, kind, _ in MESSAGES], "texts": [text for _, _, text in MESSAGES]}
    said = "SELECT arrayJoin(arrayZip({kinds:Array(String)}, {texts:Array(String)})) AS pair, pair.1 AS kind, pair.2 AS text"
    return [
        row["class"] for row in rows(store, f"SELECT {error_class_sql('kind', 'text')} AS class FROM ({said})", pairs)
    ]


@pytest.mark.parametrize("number", range(len(MESSAGES)), ids=[f"{c}-{k}-{n}" for n, (c, k, _) in enumerate(MESSAGES)])
def test_class(classes: list[str], number: int) -> None:
    """Each message has the class whose actions help."""
    assert (classes[number], *MESSAGES[number][1:]) == MESSAGES[number]


def test_every_class_has_examples_actions_and_a_place_in_the_document() -> None:
    """All classes are there, in the order in which they are tried, and the document says the same as the data."""
    names = [item.name for item in error_classes()]
    assert sorted(names) == sorted({expected for expected, _, _ in MESSAGES})
    assert all(item.title and item.actions for item in error_classes())
    text = DOCUMENT.read_text()
    assert f"Version {classes_version()}." in text
    told = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert told == [(item.name, item.title, " ".join(item.actions)) for item in error_classes()]


def fingerprints(store: EmbeddedStore, *errors: tuple[str, str]) -> list[str]:
    """The fingerprint of each error (type, message)."""
    pairs = {"kinds": [kind for kind, _ in errors], "texts": [text for _, text in errors]}
    said = "SELECT arrayJoin(arrayZip({kinds:Array(String)}, {texts:Array(String)})) AS pair, pair.1 AS kind, pair.2 AS text"
    return [
        row["f"] for row in rows(store, f"SELECT {error_fingerprint_sql('kind', 'text')} AS f FROM ({said})", pairs)
    ]


@pytest.mark.parametrize(
    "messages",
    [
        ("row 17 of 230 is bad", "row 4 of 9 is bad"),
        ("no order 3f2c1a9e-1111-4222-8333-abcdefabcdef", "no order 00000000-1111-4222-8333-abcdefabcdee"),
        ("object at 0x7f9f24587b00 is gone", "object at 0x7f9f2416dc60 is gone"),
        ("cannot read /data/2026/11/in.csv", "cannot read /tmp/x/other.csv"),
        ("cannot read C:\\data\\in.csv", "cannot read D:\\else\\out.csv"),
        ("unknown city 'Oslo'", "unknown city 'Paris'"),
        ('unknown city "Oslo" in `a`', 'unknown city "New York" in `b`'),
        ("took 1.5 s", "took 20.25 s"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace 00000000000000000000000000000001"),
        ("two  spaces\n and a line", "two spaces and a line"),
        ("limit -5 reached", "limit -17 reached"),
        ("at https://x.test/a/1?b=2 refused", "at https://x.test/c/2?d=3 refused"),
    ],
)
def test_the_same_failure_has_one_fingerprint(store: EmbeddedStore, messages: tuple[str, ...]) -> None:
    """Numbers, ids, addresses, paths, quoted values and spaces do not tell failures apart."""
    assert len(set(fingerprints(store, *(("ValueError", message) for message in messages)))) == 1


def test_other_failures_have_other_fingerprints(store: EmbeddedStore) -> None:
    """Another type or other words are another failure; a fingerprint is 16 hex digits."""
    found = fingerprints(
        store,
        ("ValueError", "no order 1"),
        ("KeyError", "no order 1"),
        ("ValueError", "no customer 1"),
        ("ValueError", ""),
    )
    assert len(set(found)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in found)


def test_fingerprints_never_change(store: EmbeddedStore) -> None:
    """They are stored with runs, so what one stands for must stay."""
    assert fingerprints(store, ("ValueError", "row 17 of '/data/x' is bad")) == ["2274067ccd754404"]
