"""Spool ranges into the store, each exactly once."""

from spanruns_receiver.writer.writer import Pace, Writer

__all__ = ["Pace", "Writer"]
