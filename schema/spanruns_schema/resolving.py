"""The statements of a resolver pass (`resolve/*.sql`), with the expressions that come from data filled in."""

from __future__ import annotations

from functools import cache
from importlib import resources

from spanruns_schema.classes import error_class_sql, error_fingerprint_sql


@cache
def sql(name: str, *, final: bool = True) -> str:
    """The text of `resolve/<name>.sql`; without `final` for facts that are known to be free of duplicates (three times as fast)."""
    text = resources.files("spanruns_schema").joinpath("resolve", f"{name}.sql").read_text()
    kind, message = ("said.error_type", "said.error_message") if name == "rows" else ("error_type", "error_message")
    text = text.replace("{error_class}", error_class_sql(kind, message))
    text = text.replace("{final}", " FINAL" if final else "")
    return text.replace("{error_fingerprint}", error_fingerprint_sql(kind, message))
