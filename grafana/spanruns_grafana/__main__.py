"""`python -m spanruns_grafana [DIRECTORY]`: write the dashboards, by default where the package keeps them."""

import sys
from pathlib import Path

from spanruns_grafana.generate import DIRECTORY, write

for path in write(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY):
    print(path)
