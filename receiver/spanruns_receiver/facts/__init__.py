"""Facts of a writer's own rows: what the store's views would map, without their cost at every insert.

Interprets the same data (`spanruns_schema.dialects`) as the views' SQL; `docs/decisions/0003-facts-by-the-receiver.md` says why. The
compiled decoder has this in Rust; this is what runs where nothing is compiled, and what that is held against.
"""

from spanruns_receiver.facts.columns import FACTS, NAMES, TABLE
from spanruns_receiver.facts.rows import FactMaker, package_facts

__all__ = ["FACTS", "NAMES", "TABLE", "FactMaker", "package_facts"]
