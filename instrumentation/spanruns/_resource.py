"""The resource of this process, also after a fork: a forked worker is an instance of its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from spanruns import _fork
from spanruns._content import Cleaner
from spanruns._settings import Settings, script_name

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

INSTANCE: Final = "service.instance.id"
MAX_RESOURCES: Final = 64
"""Resources of a process that are remembered; services have one, seldom two."""


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
    """Gives resources as this process may send them: cleaned, with the instance id of the process."""

    def __init__(self, cleaner: Cleaner | None = None) -> None:
        self._cleaner = cleaner
        self._id: str | None = None
        self._of: dict[int, tuple[Resource, Resource]] = {}
        _fork.register(self)

    def after_fork(self) -> None:
        """This process is not its parent."""
        self._id = str(uuid.uuid4())
        self._of = {}

    def of(self, resource: Resource) -> Resource:
        """The resource as it leaves; the same object if nothing has to be changed."""
        found = self._of.get(id(resource))  # an entry keeps its resource, so nothing else gets this id
        if found is None:
            if len(self._of) >= MAX_RESOURCES:
                self._of.clear()
            found = self._of[id(resource)] = (resource, self._made(resource))
        return found[1]

    def _made(self, resource: Resource) -> Resource:
        from opentelemetry.sdk.resources import Resource

        before = dict(resource.attributes)
        attributes = before if self._cleaner is None else self._cleaner.resource(before)
        if self._id is not None and INSTANCE in attributes:
            attributes = {**attributes, INSTANCE: self._id}
        return resource if attributes == before else Resource(attributes, resource.schema_url)
