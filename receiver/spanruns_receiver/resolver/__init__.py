"""Facts to runs, tool calls and model calls: the tree's rules (`tree`), its numbers (`summary`), one pass (`passes`), for ever (`loop`)."""

from spanruns_receiver.resolver.loop import Resolver
from spanruns_receiver.resolver.passes import Books, resolve_traces

__all__ = ["Books", "Resolver", "resolve_traces"]
