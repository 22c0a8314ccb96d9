"""Secrets in well-known shapes, found in any text: plain, inside JSON, or inside JSON inside JSON.

Shapes are those their issuers document (prefix and alphabet), `key: value` pairs whose key says what the
value is, and credentials in URLs. What is recognised is replaced as a whole, so nothing of it is left to
guess from.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MASK: Final = "[masked]"

_SHAPES: Final = (
    r"sk-(?:ant-|proj-|svcacct-|admin-|or-v1-|lf-)?[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic and likes
    r"(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20,}",  # GitHub
    r"glpat-[A-Za-z0-9_-]{16,}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"xapp-[0-9]-[A-Za-z0-9-]{10,}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS access key ids
    r"AIza[A-Za-z0-9_-]{30,}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20,}",
    r"GOCSPX-[A-Za-z0-9_-]{20,}",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}",  # Stripe
    r"whsec_[A-Za-z0-9]{16,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"hf_[A-Za-z0-9]{20,}",  # Hugging Face
    r"gsk_[A-Za-z0-9]{20,}",  # Groq
    r"xai-[A-Za-z0-9]{20,}",
    r"pplx-[A-Za-z0-9]{20,}",
    r"r8_[A-Za-z0-9]{20,}",  # Replicate
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[A-Za-z0-9_-]{30,}",
    r"dop_v1_[a-f0-9]{40,}",  # DigitalOcean
    r"lin_api_[A-Za-z0-9]{20,}",
    r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}",  # LangSmith
    r"pylf_v[0-9]_[A-Za-z0-9_]{20,}",  # Logfire
    r"glc_[A-Za-z0-9+/=]{20,}",  # Grafana Cloud
    r"glsa_[A-Za-z0-9_]{20,}",
    r"hvs\.[A-Za-z0-9_-]{20,}",  # Vault
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JWT
)
_SHAPE: Final = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(_SHAPES) + ")")
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_AUTHORIZATION: Final = re.compile(
    r"(?i)\b(?:(bearer)((?:\s|%20)+)(?=\S*[0-9]|\S{20})[A-Za-z0-9._~+/-]{8,}=*"
    r"|(basic|token|apikey)((?:\s|%20)+)(?=[A-Za-z+/_-]*[0-9=])[A-Za-z0-9+/_-]{12,}=*)"
)
_URL_CREDENTIALS: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'\\]{0,256}):[^\s/@\"'\\]{1,512}@")

_KEY_WORDS: Final = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|api[_-]?key|apikey|access[_-]?key(?:[_-]?id)?|secret[_-]?key|"
    r"private[_-]?key|signing[_-]?key|encryption[_-]?key|client[_-]?secret|credentials?|authorization|"
    r"proxy[_-]?authorization|cookie|set[_-]?cookie|session[_-]?token|csrf[_-]?token|x[_-]?api[_-]?key|"
    r"(?:access|auth|api|refresh|bearer|id|bot|user|service)?[_-]?token|connection[_-]?string|otp|totp"
)
_SECRET_KEY: Final = re.compile(rf"(?i)(?:^|[._\-\s])(?:{_KEY_WORDS})$")
_PAIR: Final = re.compile(
    rf"""(?ix)
    (?<![A-Za-z])                                  # a whole word, or the end of a snake_case one
    ((?:[A-Za-z0-9]+[_-])*(?:{_KEY_WORDS}))      # 1: the key
    ((?:\\*["'])?\s*[:=]\s*)                       # 2: its quote, and the separator
    (?:
        (\\*["'])                                  # 3: a quoted value ends at the same quote ...
        ((?:(?!\3)(?:\\.|[^\\])){{1,65536}}?)      # 4
        (?:\3|\Z)
      |
        (?!null\b|true\b|false\b|none\b|\[masked\])
        ([^\s"'\\,;&}}\])<>]{{3,4096}})            # 5: a bare one at the first separator
    )
    """
)
_CONTAINER: Final = re.compile(rf"""(?i)(?<![A-Za-z])(?:{_KEY_WORDS})\\*["']\s*:\s*[\[{{]""")
_HINTS: Final = re.compile(r"(?i)pass|pwd|secret|key|token|auth|cookie|credential|connection|otp|bearer|basic|://")
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)


def is_secret_key(key: str) -> bool:
    """True if a value under this key is a secret whatever it looks like."""
    return _SECRET_KEY.search(key) is not None


def mask_secrets(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    if len(text) < 6:
        return text
    text = _SHAPE.sub(MASK, text)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(MASK, text)
    if _HINTS.search(text) is None:
        return text
    if _CONTAINER.search(text) is not None:
        text = _mask_json(text)
    text = _AUTHORIZATION.sub(_mask_authorization, text)
    if "@" in text:
        text = _URL_CREDENTIALS.sub(rf"\1:{MASK}@", text)
    return _PAIR.sub(_mask_pair, text)


def _mask_authorization(match: re.Match[str]) -> str:
    return f"{match.group(1) or match.group(3)}{match.group(2) or match.group(4)}{MASK}"


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
    if isinstance(value, str) and _CONTAINER.search(value) is not None:
        return _mask_json(value)
    return value


def _mask_pair(match: re.Match[str]) -> str:
    key, separator, quote, quoted = match.group(1, 2, 3, 4)
    if quote is None:
        return f"{key}{separator}{MASK}"
    if quoted in ("", MASK):
        return match.group(0)
    return f"{key}{separator}{quote}{MASK}{quote}"


def mask_emails(text: str) -> str:
    """The text with e-mail addresses replaced."""
    return _EMAIL.sub(MASK, text) if "@" in text else text
