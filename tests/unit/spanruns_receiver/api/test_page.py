"""The built-in page: everything it loads is here, and nothing in it can become markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from spanruns_receiver.api.page import ASSETS
from starlette.testclient import TestClient

FILES = sorted(ASSETS.iterdir())


def test_the_page_is_at_the_root(client: TestClient) -> None:
    """It comes with a policy that lets it load and ask only this server."""
    answer = client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(maxsplit=1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_file_loads_is_served(client: TestClient, path: Path) -> None:
    """Scripts, modules and styles that a file names are answered with a type that a browser takes."""
    text = path.read_text()
    named = re.findall(r"""(?:src|href|from|import)\s*=?\s*["'](/assets/[^"']+)["']""", text)
    for address in named:
        answer = client.get(address)
        assert answer.status_code == 200, address
        kind = answer.headers["content-type"].split(";")[0]
        assert kind in ("text/javascript", "application/javascript", "text/css"), address
    assert named or path.name in ("api.js", "dom.js", "format.js", "style.css")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_asks_nobody_else_and_parses_no_markup(path: Path) -> None:
    """No address of another server, no inline script or style, no way from text to HTML."""
    text = path.read_text().replace("http://www.w3.org/2000/svg", "").replace("http%3A", "")
    for forbidden in (
        "http:",
        "https:",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "<style",
    ):
        assert forbidden not in text
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert not re.search(r"<[^>]+\son\w+=", text)
    assert not re.search(r"<[^>]+\sstyle=", text)
