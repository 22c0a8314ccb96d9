"""The resource of a process."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.resources import Resource
from spanruns._content import Cleaner
from spanruns._resource import Instance, own_resource
from spanruns._settings import Settings, script_name


def test_service_has_a_name_and_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The given name wins over OpenTelemetry's variables, these over the script's name."""
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a")
    unnamed = own_resource(Settings(environment="prod")).attributes
    assert (unnamed["service.name"], unnamed["deployment.environment.name"]) == (script_name(), "prod")
    assert (unnamed["team"], len(str(unnamed["service.instance.id"]))) == ("a", 36)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=env,service.instance.id=mine")
    named = own_resource(Settings()).attributes
    assert (named["service.name"], named["service.instance.id"]) == ("env", "mine")
    assert own_resource(Settings(service_name="code")).attributes["service.name"] == "code"


def test_child_is_an_instance_of_its_own() -> None:
    """After a fork the resource names another instance, always the same one, and nothing else changes."""
    instance = Instance()
    parents = Resource({"service.name": "s", "service.instance.id": "parent"})
    other = Resource({"service.name": "s"})
    assert instance.of(parents) is parents
    instance.after_fork()
    child = instance.of(parents)
    assert child.attributes["service.instance.id"] not in ("parent", "")
    assert (instance.of(parents), child.attributes["service.name"]) == (child, "s")
    assert instance.of(other) is other


def test_resource_leaves_without_secrets() -> None:
    """A command line or a variable may hold some; what a service is stays, in every mode."""
    instance = Instance(Cleaner(Settings(content="metadata_only")))
    arguments = ["serve", "--key=sk-abcdefghijklmnopqrstuvwx"]
    resource = Resource({"service.name": "s", "process.command_args": arguments, "db.password": "x", "workers": 2})
    assert dict(instance.of(resource).attributes) == {
        "service.name": "s",
        "process.command_args": ("serve", "--key=[masked]"),
        "db.password": "[masked]",
        "workers": 2,
    }
    assert instance.of(resource) is instance.of(resource)
