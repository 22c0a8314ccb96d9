"""Dialects: what the keys of each instrumentation mean, as data, and the SQL that is made from it."""

from __future__ import annotations


def mapping_views() -> dict[str, str]:
    """Name and text of the materialized views that fill `span_facts`."""
    return {}
