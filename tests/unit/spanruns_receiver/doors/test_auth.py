"""Bearer tokens."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from spanruns_receiver.doors.auth import BearerTokens
from spanruns_schema.errors import Unauthenticated

TOKENS = BearerTokens([SecretStr("first"), SecretStr("second")])


@pytest.mark.parametrize("header", ["Bearer first", "bearer second", b"BEARER  second "])
def test_known_token(header: str | bytes) -> None:
    """Any of the tokens opens, however the scheme is written."""
    TOKENS.check(header)


@pytest.mark.parametrize("header", [None, "", "first", "Bearer", "Bearer ", "Basic first", "Bearer firs", "Bearer é"])
def test_anything_else(header: str | None) -> None:
    """No header, another scheme or another token do not."""
    with pytest.raises(Unauthenticated):
        TOKENS.check(header)


def test_without_tokens_everybody_may() -> None:
    """Where no token is set none is asked for."""
    BearerTokens([]).check(None)
