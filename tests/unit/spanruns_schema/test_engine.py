"""What both stores need to speak to the engine."""

from __future__ import annotations

import pytest
from spanruns_schema.engine import error_of, insert_statement
from spanruns_schema.errors import StoreRejected, StoreUnavailable

STD = "std::exception. Code: 1001, type: std::__1::__fs::filesystem::filesystem_error, e.what() = "


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ("Code: 252. DB::Exception: Too many parts", StoreUnavailable, 252),
        (
            "Code: 76. DB::Exception: Cannot open file /x, errno: 24, strerror: Too many open files",
            StoreUnavailable,
            76,
        ),
        ("Code: 236. DB::Exception: the server is stopping (ABORTED)", StoreUnavailable, 236),
        (STD + "filesystem error: in create_directories: No space left on device", StoreUnavailable, 1001),
        ("std::exception. Code: 1001, type: std::length_error, e.what() = vector", StoreRejected, 1001),
        ("Code: 6. DB::Exception: Cannot parse string 'filesystem error: x'", StoreRejected, 6),
        ("the connection was reset", StoreUnavailable, 0),
    ],
)
def test_whose_fault_an_error_is(message: str, kind: type, code: int) -> None:
    """Only what is the data's own fault is refused for good; the disk's is the machine's."""
    found = error_of(message)
    assert (type(found), found.code) == (kind, code)


def test_insert_from_a_file() -> None:
    """The file stands between the columns and the settings; without one the data is to follow the statement."""
    assert insert_statement("t", ["a", "b"], "", None, file="/x").startswith(
        "INSERT INTO t (`a`, `b`) FROM INFILE '/x' COMPRESSION 'none'\nSETTINGS "
    )
    assert insert_statement("t", ["a"], "", None).startswith("INSERT INTO t (`a`)\nSETTINGS ")
