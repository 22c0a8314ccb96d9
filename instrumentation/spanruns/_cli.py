"""The console command: the receiver's, if that is installed."""

from __future__ import annotations

import sys

NEEDS = 'spanruns: this command needs the receiver: pip install "spanruns[receiver,embedded]"\n'


def main() -> None:
    """Run `spanruns …`; without the receiver say what to install, and end with 2."""
    try:
        from spanruns_receiver.cli import main as command
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{NEEDS}({error})\n")
        sys.exit(2)
    command()
