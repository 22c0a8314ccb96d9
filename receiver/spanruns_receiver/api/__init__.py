"""The query API and the built-in page: views of the store in, JSON out.

`docs/api.md` tells what it answers. `create_app(store)` is an ASGI application.
"""

from spanruns_receiver.api.app import create_app

__all__ = ["create_app"]
