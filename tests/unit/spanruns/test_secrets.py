"""Masking of secrets in text."""

from __future__ import annotations

import json

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from spanruns._secrets import _SHAPES, MASK, is_secret_key, mask_emails, mask_secrets

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnopqrstuvwx",
        "sk-proj-abcdefghijklmnopqrstuvwx_yz-12",
        "sk-ant-api03-abcdefghijklmnopqrstuvwx",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnop",
        "glpat-abcdefghijklmnopqrst",
        "xoxb-123456789012-abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
        "sk_live_abcdefghijklmnop",
        "SG.abcdefghijklmnopqr.abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrstuvwxyz",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEow cut off here",
    ],
)
def test_well_known_shape_is_masked_anywhere(secret: str) -> None:
    """A secret of a known shape goes wherever it stands: alone, in a sentence, in JSON, in JSON in JSON."""
    in_json = json.dumps({"message": f"use {secret} now"})
    for text in (secret, f"use {secret} now", in_json, json.dumps({"body": in_json})):
        assert secret not in mask_secrets(text)
        assert secret.splitlines()[-1] not in mask_secrets(text)
        assert MASK in mask_secrets(text)


@pytest.mark.parametrize(("beginning", "rest"), [(each, rest) for beginnings, rest in _SHAPES for each in beginnings])
def test_every_shape_is_masked(beginning: str, rest: str) -> None:
    """However it begins, whatever follows."""

    @settings(max_examples=10, phases=[Phase.generate], derandomize=True)
    @given(st.from_regex(rest, fullmatch=True))
    def check(follows: str) -> None:
        assert mask_secrets(f"use {beginning}{follows} now") == f"use {MASK} now"

    check()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"password={SECRET}", f"password={MASK}"),
        (f"db_password: {SECRET}, host: x", f"db_password: {MASK}, host: x"),
        (f'{{"api_key": "{SECRET}", "n": 1}}', f'{{"api_key": "{MASK}", "n": 1}}'),
        (f"{{'clientSecret': '{SECRET}'}}", f"{{'clientSecret': '{MASK}'}}"),
        (f'{{\\"token\\": \\"{SECRET}\\"}}', f'{{\\"token\\": \\"{MASK}\\"}}'),
        (f"Authorization: Bearer {SECRET}", f"Authorization: {MASK} {SECRET}"),
        (f"curl -H 'X-Api-Key: {SECRET}'", f"curl -H 'X-Api-Key: {MASK}'"),
        (f"GET /?access_token={SECRET}&page=2", f"GET /?access_token={MASK}&page=2"),
        (f"postgresql://app:{SECRET}@db:5432/x", f"postgresql://app:{MASK}@db:5432/x"),
        (f'{{"password": ["{SECRET}"], "n": 1}}', f'{{"password":"{MASK}","n":1}}'),
        (f'{{"secret": {{"value": "{SECRET}"}}}}', f'{{"secret":"{MASK}"}}'),
        ('{"password": "has \\"quotes\\" inside"}', f'{{"password": "{MASK}"}}'),
        (f'{{"password": "{SECRET} and it is cut he', f'{{"password": "{MASK}"'),
        ("OPENAI_API_KEY=whatever-this-is", f"OPENAI_API_KEY={MASK}"),
    ],
)
def test_value_of_a_secret_key_is_masked(text: str, masked: str) -> None:
    """A value whose key says that it is a secret goes, whatever it looks like."""
    if "Bearer" in text:
        assert SECRET not in mask_secrets(text)
    else:
        assert mask_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The token budget was exceeded after 2000 tokens.",
        '{"max_tokens": 100, "gen_ai.usage.input_tokens": 7}',
        "a basic understanding of authentication is needed",
        "password: null",
        '{"api_key": null, "secret": false}',
        "see https://example.org/path?x=1 for the key facts",
        "key: value",
        "monkey=banana",
        "The author said: nothing.",
        "skill-building-and-more-words",
        "risk-assessment-of-the-whole-project",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Masking must not eat what people need to read."""
    assert mask_secrets(text) == text


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("password", True),
        ("db.password", True),
        ("http.request.header.authorization", True),
        ("http.request.header.x-api-key", True),
        ("client_secret", True),
        ("gen_ai.usage.input_tokens", False),
        ("gen_ai.tool.name", False),
        ("session.id", False),
        ("keyboard", False),
    ],
)
def test_secret_keys(key: str, secret: bool) -> None:
    """An attribute's own key may say that its value is a secret."""
    assert is_secret_key(key) is secret


def test_emails_are_masked_on_request() -> None:
    """E-mail addresses have a function of their own."""
    assert mask_emails("to a.b+c@example.org, please") == f"to {MASK}, please"


def test_hostile_text_takes_no_long_time() -> None:
    """Text made to be slow to match is matched in time."""
    import time

    texts = [
        "a" * 200_000,
        'password="' * 5_000,
        "eyJ" * 50_000,
        "://" * 50_000,
        "password: " + "\\" * 100_000,
        "a@" * 50_000,
    ]
    start = time.process_time()
    for text in texts:
        mask_secrets(text)
        mask_emails(text)
    assert time.process_time() - start < 5
