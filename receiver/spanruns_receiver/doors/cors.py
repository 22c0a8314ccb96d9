"""Cross-origin requests: pages of other sites, whose browsers send OTLP, where the settings allow them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_PREFLIGHT_KEPT_S = 7200


def with_cors(app: Any, origins: Sequence[str]) -> Any:
    """`app`, answering preflight requests of pages from `origins` (`*`: from anywhere), and telling browsers that those may read
    the answers; `app` itself when there are none.
    """
    if not origins:
        return app
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["POST"],
        allow_headers=["*"],
        expose_headers=["Retry-After"],
        max_age=_PREFLIGHT_KEPT_S,
    )
