"""Secrets in well-known shapes, found in any text: plain, inside JSON, or inside JSON inside JSON.

Shapes are those their issuers document (prefix and alphabet), `key: value` pairs whose key says what the
value is, and credentials in URLs. What is recognised is replaced as a whole, so nothing of it is left to
guess from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

MASK: Final = "[masked]"

_SHAPES: Final = (
    (("sk-",), r"(?:ant-|proj-|svcacct-|admin-|or-v1-|lf-)?[A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic and likes
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), r"[A-Za-z0-9_]{20,}"),  # GitHub
    (("glpat-",), r"[A-Za-z0-9_-]{16,}"),  # GitLab
    (("xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"), r"[A-Za-z0-9-]{10,}"),  # Slack
    (("xapp-",), r"[0-9]-[A-Za-z0-9-]{10,}"),
    (("AKIA", "ASIA", "ABIA", "ACCA"), r"[A-Z0-9]{16}"),  # AWS access key ids
    (("AIza",), r"[A-Za-z0-9_-]{30,}"),  # Google
    (("ya29.",), r"[A-Za-z0-9_-]{20,}"),
    (("GOCSPX-",), r"[A-Za-z0-9_-]{20,}"),
    (("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_"), r"[A-Za-z0-9]{10,}"),  # Stripe
    (("whsec_",), r"[A-Za-z0-9]{16,}"),
    (("SG.",), r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),  # SendGrid
    (("hf_",), r"[A-Za-z0-9]{20,}"),  # Hugging Face
    (("gsk_",), r"[A-Za-z0-9]{20,}"),  # Groq
    (("xai-",), r"[A-Za-z0-9]{20,}"),
    (("pplx-",), r"[A-Za-z0-9]{20,}"),
    (("r8_",), r"[A-Za-z0-9]{20,}"),  # Replicate
    (("npm_",), r"[A-Za-z0-9]{30,}"),
    (("pypi-",), r"[A-Za-z0-9_-]{30,}"),
    (("dop_v1_",), r"[a-f0-9]{40,}"),  # DigitalOcean
    (("lin_api_",), r"[A-Za-z0-9]{20,}"),
    (("lsv2_pt_", "lsv2_sk_"), r"[A-Za-z0-9_]{20,}"),  # LangSmith
    (("pylf_v",), r"[0-9]_[A-Za-z0-9_]{20,}"),  # Logfire
    (("glc_",), r"[A-Za-z0-9+/=]{20,}"),  # Grafana Cloud
    (("glsa_",), r"[A-Za-z0-9_]{20,}"),
    (("hvs.",), r"[A-Za-z0-9_-]{20,}"),  # Vault
    (("eyJ",), r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),  # JWT
)
"""How secrets begin, which is looked for first, and what follows."""
_SHAPE: Final = re.compile(
    "(?<![A-Za-z0-9])(?:"
    + "|".join(f"(?:{'|'.join(map(re.escape, beginnings))}){rest}" for beginnings, rest in _SHAPES)
    + ")"
)
_SHAPE_BEGINNINGS: Final = tuple(beginning for beginnings, _ in _SHAPES for beginning in beginnings)
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_AUTHORIZATION: Final = re.compile(
    r"(?i)\b(?:(bearer)((?:\s|%20)+)(?=\S*[0-9]|\S{20})[A-Za-z0-9._~+/-]{8,}=*"
    r"|(basic|token|apikey)((?:\s|%20)+)(?=[A-Za-z+/_-]*[0-9=])[A-Za-z0-9+/_-]{12,}=*)"
)
_AUTHORIZATION_BEGINNINGS: Final = ("bearer", "basic", "token", "apikey")
_URL_CREDENTIALS: Final = re.compile(r"(://[^\s/:@\"'\\]{0,256}):[^\s/@\"'\\]{1,512}@")

_KEY_WORDS: Final = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|api[_-]?key|apikey|access[_-]?key(?:[_-]?id)?|secret[_-]?key|"
    r"private[_-]?key|signing[_-]?key|encryption[_-]?key|client[_-]?secret|credentials?|authorization|"
    r"proxy[_-]?authorization|cookie|set[_-]?cookie|session[_-]?token|csrf[_-]?token|x[_-]?api[_-]?key|"
    r"(?:access|auth|api|refresh|bearer|id|bot|user|service)?[_-]?token|connection[_-]?string|otp|totp"
)
_SECRET_KEY: Final = re.compile(rf"(?i)(?:^|[._\-\s])(?:{_KEY_WORDS})$")
_KEY_HINTS: Final = ("pass", "pwd", "secret", "key", "token", "auth", "cookie", "credential", "connection", "otp")
"""One of these is in every key word."""
_PAIR: Final = re.compile(
    rf"""(?ix)
    ((?:[A-Za-z0-9]{{1,64}}[_-]){{0,8}}(?:{_KEY_WORDS}))  # 1: the key, a snake_case one too
    ((?:\\*["'])?\s*[:=]\s*)                           # 2: its quote, and the separator
    (?:
        (\\*["'])                                      # 3: a quoted value ends at the same quote ...
        ((?:(?!\3)(?:\\.|[^\\])){{1,65536}}?)           # 4
        (?:\3|\Z)
      |
        ([\[{{])                                       # 5: a list or an object
      |
        (?!null\b|true\b|false\b|none\b|\[masked\])
        [^\s"'\\,;&}}\])<>]{{3,4096}}                   # a bare one ends at the first separator
    )
    """
)
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
MAX_KEY: Final = 128
SHORT: Final = 64
"""Characters up to which a text is remembered: names and other words come again and again."""
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)


@lru_cache(4096)
def is_secret_key(key: str) -> bool:
    """True if a value under this key is a secret whatever it looks like."""
    return _SECRET_KEY.search(key) is not None


def mask_secrets(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    return _mask_short(text) if len(text) <= SHORT else _mask(text)


def mask_emails(text: str) -> str:
    """The text with e-mail addresses replaced."""
    return _EMAIL.sub(MASK, text) if "@" in text else text


def _mask(text: str) -> str:
    """Every rule; each looks for plain words first and tries its pattern only where one of them stands."""
    text = _replace(text, _hits(text, _SHAPE_BEGINNINGS), _SHAPE, lambda match: MASK)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(MASK, text)
    text = _replace(text, _hits(text, ("://",)), _URL_CREDENTIALS, lambda match: f"{match[1]}:{MASK}@")
    text = _replace(text, _hits(_lower(text), _AUTHORIZATION_BEGINNINGS), _AUTHORIZATION, _mask_authorization)
    starts = [_word_start(text, at) for at in _hits(_lower(text), _KEY_HINTS)]
    if any((match := _PAIR.match(text, start)) is not None and match[5] for start in starts):
        text = _mask_json(text)
        starts = [_word_start(text, at) for at in _hits(_lower(text), _KEY_HINTS)]
    return _replace(text, starts, _PAIR, _mask_pair)


_mask_short = lru_cache(4096)(_mask)


def _hits(text: str, words: Iterable[str]) -> list[int]:
    """Where one of the words stands, in order."""
    found = []
    for word in words:
        at = text.find(word)
        while at >= 0:
            found.append(at)
            at = text.find(word, at + len(word))
    return sorted(found)


def _lower(text: str) -> str:
    """Lower case, with every character where it was."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _word_start(text: str, at: int) -> int:
    """Where the word around a position begins."""
    least = max(at - MAX_KEY, 0)
    while at > least and text[at - 1] in _WORD:
        at -= 1
    return at


def _replace(text: str, starts: Sequence[int], pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> str:
    """Replace the matches of a pattern that begin at one of the positions."""
    if not starts:
        return text
    pieces: list[str] = []
    end = 0
    for start in starts:
        if start < end:
            continue
        match = pattern.match(text, start)
        if match is not None:
            pieces += (text[end:start], by(match))
            end = match.end()
    return "".join((*pieces, text[end:])) if pieces else text


def _mask_authorization(match: re.Match[str]) -> str:
    return f"{match[1] or match[3]}{match[2] or match[4]}{MASK}"


def _mask_json(text: str) -> str:
    """A list or object under a secret's key is masked as a whole.

    If the JSON is broken, all of the text is.
    """
    try:
        return json.dumps(_mask_tree(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return MASK


def _mask_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if is_secret_key(key) and item else _mask_tree(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask_tree(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return mask_secrets(value)
    return value


def _mask_pair(match: re.Match[str]) -> str:
    key, separator, quote, quoted, container = match.groups()
    if container or quoted in ("", MASK):
        return match[0]
    return f"{key}{separator}{quote or ''}{MASK}{quote or ''}"
