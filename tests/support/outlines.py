"""Trees as indented text: facts made from an outline, and what the rules decided told line by line."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from spanruns_receiver.resolver.columns import FACT, Role
from spanruns_receiver.resolver.tree import Tree

START_US = 1_750_000_000_000_000
ROLES = {role.name.lower(): role for role in Role}


def facts_of(outline: str) -> NDArray[np.void]:
    """One fact a line: `role name [shadow] [key=value]…`, indented below its parent; line n has span key n, from 1.

    A line begins n milliseconds after the start and ends 100 ms after it began, unless it says otherwise.
    """
    lines = [line for line in outline.splitlines() if line.strip()]
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    rows = np.zeros(len(lines), FACT)
    open_lines: list[tuple[int, int]] = []
    for key, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip()) - margin
        while open_lines and open_lines[-1][0] >= indent:
            open_lines.pop()
        _fill(rows[key - 1 : key], key, open_lines[-1][1] if open_lines else 0, line.split())
        open_lines.append((indent, key))
    return rows


def _fill(row: NDArray[np.void], key: int, parent: int, words: list[str]) -> None:
    row["span_key"] = row["run_key"] = key
    row["parent_key"] = parent
    row["started_us"] = START_US + key * 1000
    row["ended_us"] = START_US + key * 1000 + 100_000
    row["cost_usd"] = np.nan
    row["role"] = ROLES[words[0]]
    for word in words[1:]:
        name, is_value, value = word.partition("=")
        if is_value:
            row[name] = float(value) if FACT[name].kind == "f" else int(value)
        elif word == "shadow":
            row["is_shadow"] = 1
        else:
            row["name_key"] = zlib.crc32(name.encode()) if name != "-" else 0


def told(tree: Tree) -> list[str]:
    """What was decided of each line: `run`, `workflow under 1`, `part of 2`, `call of 2`, `lone call`, `repeats 3`, `inside 1`, `nothing`."""
    return [_told(tree, node) for node in range(len(tree.run))]


def _told(tree: Tree, node: int) -> str:
    owner = int(tree.owner[node]) + 1
    if tree.is_run[node]:
        kind = "workflow" if tree.is_workflow[node] else "run"
        return f"{kind} under {owner}" if owner else kind
    if tree.run[node] >= 0:
        return f"part of {tree.run[node] + 1}"
    if tree.call[node] == node:
        return f"call of {owner}" if owner else "lone call"
    if tree.call[node] >= 0:
        return f"repeats {tree.call[node] + 1}"
    return f"inside {owner}" if owner else "nothing"
