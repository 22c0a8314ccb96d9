"""Dialects: what the keys of each instrumentation mean, as data (`*.toml`, one file a dialect), and the SQL made from it.

`docs/dialects.md` explains the files and how to add one.
"""

from spanruns_schema.dialects.dialect import BASE, Dialect, Role, load
from spanruns_schema.dialects.mapping import mapping_views

__all__ = ["BASE", "Dialect", "Role", "load", "mapping_views"]
