"""Asks the query API of a running spanruns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT_S = 15.0

Row = dict[str, Any]


class Unanswered(Exception):
    """The API cannot be reached, or answers with something else than a result."""


class Api:
    """The API at `url`, such as `http://localhost:8321`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def is_there(self) -> bool:
        """Whether a spanruns answers."""
        try:
            self.get("/healthz")
        except Unanswered:
            return False
        return True

    def runs(self, since: datetime) -> Sequence[Row]:
        """The newest 200 runs that started at `since` or later, newest first. Raises `Unanswered`."""
        found = self.get("/api/runs", **{"from": since.isoformat(), "limit": "200"})
        return list(found["runs"])

    def get(self, path: str, **parameters: str) -> Any:
        """The JSON (or text) of a GET. Raises `Unanswered`."""
        url = f"{self.url}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        try:
            with urlopen(Request(url), timeout=TIMEOUT_S) as answer:  # noqa: S310 - the URL is the user's own
                body = answer.read()
                is_json = answer.headers.get_content_type() == "application/json"
        except HTTPError as error:
            raise Unanswered(f"{url} answered {error.code}: {error.read(300).decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise Unanswered(f"{url} does not answer: {error}") from error
        return json.loads(body) if is_json else body.decode()
