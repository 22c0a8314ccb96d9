"""Facts to runs, tool calls and model calls: the tree's rules (`tree`), its numbers (`summary`), one pass (`passes`), for ever (`loop`)."""

from spanruns_receiver.resolver.loop import Resolver
from spanruns_receiver.resolver.passes import resolve_traces
from spanruns_receiver.resolver.stage import Stage

__all__ = ["Resolver", "Stage", "resolve_traces"]
