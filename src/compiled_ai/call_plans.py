"""What a plan says of call steps: what they may reach, what they ask beyond that, and what happens after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from compiled_ai.canonical import canonical_json
from compiled_ai.capabilities import Declared, Repeats, faults, repeats
from compiled_ai.capabilities.permissions import wrong_entries
from compiled_ai.catalog import Catalog, EffectModule
from compiled_ai.errors import suggest
from compiled_ai.library.types import FieldType
from compiled_ai.spec.model import CallStep, Connection, Mark, WorkflowSpec
from compiled_ai.spec.types import UNKNOWN

_AFTER_A_CRASH: dict[Repeats, str] = {
    "reads": "It changes nothing, and is made again after a crash.",
    "same": "Made twice it leaves the same, so it is made again after a crash.",
    "keyed": "It is done once for its key, and is asked for again after a crash.",
    "once": "After a crash it is in doubt, and waits for a person.",
}


class CallFault(NamedTuple):
    """What is wrong with a connection or a call step."""

    rule: str
    message: str
    mark: Mark
    step: str | None = None


def call_faults(spec: WorkflowSpec, catalog: Catalog) -> Iterator[CallFault]:
    """Yields what connections and call steps say that their modules do not take, and what steps ask beyond `allow`."""
    for connection in spec.connections:
        module = catalog.effects.get(connection.module)
        if not connection.module:
            continue  # the specification names none that is known, and has been told so
        if module is None or not module.connects:
            hint = suggest(connection.module, [each.name for each in catalog.effects.values() if each.connects])
            yield CallFault("plan.module", f"No connection has module {connection.module!r}.{hint}", connection.mark)
            continue
        for key, message in _wrong_permissions(connection, module):
            yield CallFault("plan.permission", message, connection.marks.get(key, connection.mark))
    for step in _calls(spec):
        module = catalog.effects.get(step.module)
        if module is None:
            hint = suggest(step.module, catalog.effects)
            yield CallFault("plan.module", f"Unknown module {step.module!r}.{hint}", step.mark, step.name)
            continue
        undeclared = _undeclared(spec, step, module)
        if undeclared is not None:
            yield CallFault("plan.setting", undeclared, _place(step, "connection", module), step.name)
        wrong = module.check_settings(step.settings)
        for key, message in wrong:
            yield CallFault("plan.setting", message, _place(step, key, module), step.name)
        if not wrong and not undeclared:
            yield from _beyond(spec, catalog, step)


def _wrong_permissions(connection: Connection, module: EffectModule) -> tuple[tuple[str, str], ...]:
    """What is wrong with an allow-list: where (a key, or an entry such as `methods[1]`), and one sentence."""
    return module.check_allow(connection.allow) or tuple(wrong_entries(module.name, connection.allow))


def _place(step: CallStep, key: str, module: EffectModule) -> Mark:
    """Where a setting stands, by its name if the module has none such; where one is missing, what lacks it."""
    if key not in step.settings:
        within = key not in ("connection", "statement") and step.key_marks.get("settings")
        return within or step.marks.get("module", step.mark)
    return (step.marks if key in module.settings else step.key_marks).get(key, step.mark)


def _calls(spec: WorkflowSpec) -> list[CallStep]:
    return [step for step in spec.steps if isinstance(step, CallStep)]


def _undeclared(spec: WorkflowSpec, step: CallStep, module: EffectModule) -> str | None:
    name = step.settings.get("connection")
    known = {each.name: each for each in spec.connections if each.module == step.module}
    lost = [each.name for each in spec.connections if not each.module]
    if not module.connects or name is None or name in known or name in lost:
        return None
    hint = suggest(str(name), known)
    return f"Connection {name!r} is not declared with module {step.module!r} under 'connections'.{hint}"


def _beyond(spec: WorkflowSpec, catalog: Catalog, step: CallStep) -> Iterator[CallFault]:
    """What a call step asks for beyond what its connection declares; nothing where that cannot be known.

    Each is told at the key that is to be changed, and what the connection does not allow at the connection.
    """
    connection = next((each for each in spec.connections if each.name == step.settings.get("connection")), None)
    types = [*(field.type for field in step.result), *(parameter.type for parameter in step.arguments.values())]
    if (connection is not None and not connection.module) or any(kind is UNKNOWN for kind in types):
        return
    told = connection is not None and _wrong_permissions(connection, catalog.effects[step.module])
    for key, message, forbidden in faults(declared_call(spec, step)):
        if forbidden and told:
            continue  # it may follow from what the allow-list has been told
        if key != "allow" or connection is None:
            yield CallFault("plan.setting", message, step.marks.get(key, step.mark), step.name)
        else:
            yield CallFault("plan.permission", message, connection.mark, step.name)


def declared_call(spec: WorkflowSpec, step: CallStep) -> Declared:
    """A call step with what the specification allows its connection."""
    allow = next((each.allow for each in spec.connections if each.name == step.settings.get("connection")), {})
    return Declared(
        step=step.name,
        module=step.module,
        settings=step.settings,
        arguments={name: parameter.type for name, parameter in step.arguments.items()},
        result=FieldType("object", fields=step.result, class_name=step.class_name),
        allow=allow,
    )


def told_of_calls(spec: WorkflowSpec) -> Iterator[tuple[str, str, str]]:
    """Yields lines of the plan, as what, value and reason: each connection with its allow-list, each call's end."""
    for connection in spec.connections:
        steps = [step.name for step in _calls(spec) if step.settings.get("connection") == connection.name]
        used = f"Used by {', '.join(steps)}." if steps else "No step uses it."
        allowed = ", ".join(f"{key} {canonical_json(value)}" for key, value in connection.allow.items())
        yield f"connection {connection.name}", f"{connection.module}; {allowed}", used
    for step in _calls(spec):
        if step.module == "human":
            yield f"call {step.name}", "human", "It waits for a person."
        elif step.module in ("database", "http", "notify", "files"):
            yield f"call {step.name}", step.module, _AFTER_A_CRASH[repeats(declared_call(spec, step))]


def brought(spec: WorkflowSpec, catalog: Catalog) -> dict[str, dict[str, str]]:
    """The call modules of a specification that do not ship, each with the package that is pinned."""
    modules = [catalog.effects[step.module] for step in _calls(spec)]
    return {
        module.name: {"package": module.provider, "digest": module.provider_digest or ""}
        for module in modules
        if module.provider is not None
    }
