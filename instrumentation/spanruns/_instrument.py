"""`spanruns-instrument python app.py`: `import spanruns.auto` in a program without touching it.

As with `opentelemetry-instrument`, a `sitecustomize` of ours is put first on `PYTHONPATH`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

BOOT = Path(__file__).parent / "_boot"
USAGE = "usage: spanruns-instrument COMMAND [ARGUMENT ...]    for example: spanruns-instrument python app.py\n"


def environment(before: dict[str, str]) -> dict[str, str]:
    """The environment in which every Python starts with `spanruns.auto`."""
    paths = [str(BOOT), *(path for path in before.get("PYTHONPATH", "").split(os.pathsep) if path)]
    return {**before, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def main(arguments: list[str] | None = None) -> int:
    """Replace this process by the command; gives a status only if that is not possible."""
    command = sys.argv[1:] if arguments is None else arguments
    if not command or command[0] in ("-h", "--help"):
        sys.stderr.write(USAGE)
        return 0 if command else 2
    program = shutil.which(command[0])
    if program is None:
        sys.stderr.write(f"spanruns-instrument: {command[0]}: command not found\n")
        return 127
    sys.stdout.flush()
    return os.execve(program, command, environment(dict(os.environ)))  # noqa: S606 - the command's purpose


if __name__ == "__main__":
    sys.exit(main())
