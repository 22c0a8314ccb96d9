"""Errors of every layer.

SpanrunsError
├── ConfigError              what was set cannot work; the message says what to set instead
├── BadInput                 the caller's bytes or parameters are wrong; repeating them is useless
│   ├── Malformed            cannot be parsed
│   └── TooLarge             over a limit
├── Overloaded               a limit is reached for now; the same call may work later (has retry_after_s)
├── Unauthenticated          no valid credentials
├── NotFound                 there is no such thing
└── StoreError               ClickHouse said no
    ├── StoreUnavailable     not reachable, restarting, too busy: retry
    └── StoreRejected        this statement or block can never work
        └── SchemaError      the schema is not what this version needs
"""


class SpanrunsError(Exception):
    """Base of all errors that spanruns raises on purpose."""


class ConfigError(SpanrunsError):
    """What was set cannot work; the message says what to set instead."""


class BadInput(SpanrunsError):
    """The caller's bytes or parameters are wrong; repeating them is useless."""


class Malformed(BadInput):
    """Cannot be parsed."""


class TooLarge(BadInput):
    """Over a limit that will not move."""


class Overloaded(SpanrunsError):
    """A limit is reached for now; the same call may work after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unauthenticated(SpanrunsError):
    """No valid credentials."""


class NotFound(SpanrunsError):
    """There is no such thing."""


class StoreError(SpanrunsError):
    """ClickHouse answered with an error; `code` is ClickHouse's own number (0 when there was no answer)."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class StoreUnavailable(StoreError):
    """Not reachable, restarting or too busy: the same call may work later."""


class StoreRejected(StoreError):
    """This statement or block can never work."""


class SchemaError(StoreRejected):
    """The schema in the store is not what this version needs."""
