"""Dialect files: what may stand in them, and what is said of one that cannot be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from spanruns_schema.dialects import BASE, Role, load
from spanruns_schema.errors import ConfigError

MINIMAL = 'order = 5\n[detect]\nscopes = ["x"]\n'


def test_the_packages_own_dialects() -> None:
    """All are read, each has a place of its own, and the base comes last."""
    dialects = load()
    assert dialects[-1].name == BASE
    assert {"openinference", "traceloop", "langsmith", "vercel", "mlflow", "claude_code", "haystack"} < {
        d.name for d in dialects
    }
    orders = [dialect.order for dialect in dialects]
    assert orders == sorted(set(orders))


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    """Files are read from any folder, in the order that they give."""
    (tmp_path / "b.toml").write_text(MINIMAL)
    (tmp_path / "a.toml").write_text(
        MINIMAL.replace("5", "7") + '[[roles]]\nrole = "tool"\nshadow = true\nwhen = { k = "v" }\n'
    )
    (tmp_path / "readme.md").write_text("not a dialect")
    first, second = load(tmp_path)
    assert (first.name, second.name) == ("b", "a")
    assert second.roles == [Role("tool", {"k": ["v"]}, shadow=True)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("order = ", "x.toml"),
        ('[detect]\nscopes = ["x"]\n', "'order'"),
        ("order = 5\n", r"\[detect\]"),
        (MINIMAL + "[colours]\n", "unknown key 'colours'"),
        (MINIMAL + '[[implied]]\nwhen = { "k" = "*" }\nmodel = "m"\n', "knows no 'model'"),
        (MINIMAL + '[[implied]]\nwhen = { "k" = "*" }\napart = ["tokens"]\n', "apart 'tokens' is none of"),
        (MINIMAL + '[[roles]]\nrole = "toll"\nwhen = {}\n', "role 'toll' is none of"),
        (MINIMAL + '[[roles]]\nrole = "tool"\n', "'when'"),
        (MINIMAL + '[marker]\nparent = "p"\n', "'when'"),
        (MINIMAL + '[records."a.b"]\nmessage = "user"\n', "where the input, the output or the error of a record is"),
        (MINIMAL + '[records."a.b"]\ninput = ["k"]\nrole = "user"\n', "knows no 'role'"),
    ],
)
def test_a_file_that_cannot_be_right(tmp_path: Path, text: str, said: str) -> None:
    """The error names the file and what is wrong with it."""
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        load(tmp_path)
    assert "x.toml" in str(error.value)
