"""Run by Python at start because `spanruns-instrument` has put this folder first on `PYTHONPATH`."""

import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _others() -> list[str]:
    return [path for path in sys.path if os.path.abspath(path or ".") != _here]


def _run_shadowed() -> None:
    """Run the sitecustomize that would have run without us."""
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", _others())
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _leave_path() -> None:
    """Programs started by this one are theirs to instrument."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != _here]
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    else:
        os.environ.pop("PYTHONPATH", None)
    sys.path[:] = _others()


_leave_path()
try:
    import spanruns.auto  # noqa: F401
except Exception as error:
    sys.stderr.write(f"spanruns-instrument: nothing is sent: {type(error).__name__}: {error}\n")
_run_shadowed()
