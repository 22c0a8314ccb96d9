"""`python -m spanruns_receiver [FLAGS]` is `spanruns up [FLAGS]`; any other command works too."""

from __future__ import annotations

import sys

from spanruns_receiver.cli import main

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["up", *arguments]
    main(arguments)
