"""Bearer tokens at the doors."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from pydantic import SecretStr
from spanruns_schema.errors import Unauthenticated


class BearerTokens:
    """Lets in who sends `Authorization: Bearer` with one of the tokens; without tokens, everybody."""

    def __init__(self, tokens: Sequence[SecretStr]) -> None:
        self._tokens = [token.get_secret_value().encode() for token in tokens]

    def check(self, authorization: str | bytes | None) -> None:
        """Raises `Unauthenticated` unless the header is right. Takes the same time for every wrong token."""
        if not self._tokens:
            return
        header = authorization.encode() if isinstance(authorization, str) else authorization or b""
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Unauthenticated("send the header `Authorization: Bearer TOKEN`")
        found = [hmac.compare_digest(token.strip(), known) for known in self._tokens]
        if not any(found):
            raise Unauthenticated("the bearer token is not known here")
