"""Spool ranges into the store, each exactly once."""

from spanruns_receiver.writer.writer import Writer

__all__ = ["Writer"]
