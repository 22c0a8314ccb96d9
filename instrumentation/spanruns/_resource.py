"""The resource of this process, also after a fork: a forked worker is an instance of its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from spanruns import _fork
from spanruns._settings import Settings, script_name

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

INSTANCE: Final = "service.instance.id"


def own_resource(settings: Settings) -> Resource:
    """The resource of a service that has set up none of its own."""
    from opentelemetry.sdk.resources import Resource

    found = Resource.create({})  # reads OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME
    added: dict[str, str] = {}
    if INSTANCE not in found.attributes:
        added[INSTANCE] = str(uuid.uuid4())
    if settings.environment:
        added["deployment.environment.name"] = settings.environment
    if settings.service_name:
        added["service.name"] = settings.service_name
    elif str(found.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        added["service.name"] = script_name()
    return found.merge(Resource(added))


class Instance:
    """Gives resources the instance id of the process that sends them."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._of: dict[Resource, Resource] = {}
        _fork.register(self)

    def after_fork(self) -> None:
        """This process is not its parent."""
        self._id = str(uuid.uuid4())
        self._of = {}

    def of(self, resource: Resource) -> Resource:
        """The resource as it is in this process; unchanged where it names no instance."""
        if self._id is None or INSTANCE not in resource.attributes:
            return resource
        found = self._of.get(resource)
        if found is None:
            from opentelemetry.sdk.resources import Resource

            found = self._of[resource] = resource.merge(Resource({INSTANCE: self._id}))
        return found
