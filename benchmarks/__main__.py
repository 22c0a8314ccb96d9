"""Every benchmark, one after the other, each in a process of its own: `python -m benchmarks [name …]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    """Run the benchmarks whose names are given, else all."""
    scripts = {script.stem.removeprefix("bench_"): script for script in sorted(FOLDER.glob("bench_*.py"))}
    wanted = sys.argv[1:] or list(scripts)
    if unknown := set(wanted) - scripts.keys():
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(scripts)}")
    for name in wanted:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, str(scripts[name])], check=True, cwd=FOLDER.parent)


if __name__ == "__main__":
    main()
