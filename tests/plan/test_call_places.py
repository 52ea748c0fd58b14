"""What `check` says of connections and of settings of call steps, and where it says so."""

from __future__ import annotations

import pytest

from compiled_ai.capabilities.permissions import METHODS
from compiled_ai.catalog import load_catalog
from compiled_ai.errors import SpecError
from compiled_ai.plan import plan_faults
from compiled_ai.spec import load_spec_text

CALL = """\
inputs: {id: string}
connections:
  service: {module: http, allow: {hosts: [api.example.org], methods: [GET, POST], addresses: [10.0.0.0/8]}}
steps:
  - step: find
    type: call
    module: http
    connection: service
    parameters: {id: id}
    settings: {path: "/members/{id}"}
    returns: {plan: string}
outputs: [{name: plan, from: find.plan}]
"""
OTHER = "  service: {module: http, allow: {hosts: [api.example.org]}}\n  other: {module: MODULE, allow: {KEY: [ENTRY]}}"


def told(text: str) -> list[str]:
    """What `check` says, as `line:column: message`."""
    try:
        load_spec_text(text, against=lambda spec: plan_faults(spec, load_catalog()))
    except SpecError as caught:
        return [f"{one.line}:{one.column}: {one.message}" for one in caught.details]
    return []


def allowing(module: str, key: str, entry: str) -> str:
    lines = CALL.splitlines()
    lines[2] = OTHER.replace("MODULE", module).replace("KEY", key).replace("ENTRY", entry)
    return "\n".join(lines)


def test_an_entry_that_is_no_method_is_told_at_its_place_and_nothing_that_follows_from_it() -> None:
    assert told(CALL) == []
    known = "Known: DELETE, GET, PATCH, POST, PUT."
    assert told(CALL.replace("[GET, POST]", "[GET, PSOT]")) == [
        f"3:76: 'PSOT' is no method. Did you mean 'POST'? {known}"
    ]
    assert told(CALL.replace("[GET, POST]", "[GTE]")) == [f"3:71: 'GTE' is no method. Did you mean 'GET'? {known}"]
    assert told(CALL.replace("[GET, POST]", "[get]")) == [f"3:71: 'get' is no method. Did you mean 'GET'? {known}"]
    assert told(CALL.replace("[GET, POST]", "[POST]")) == [
        "5:11: Connection 'service' does not allow method 'GET'. Add it to 'allow.methods'."
    ]


def test_an_error_of_the_step_is_told_beside_an_entry_that_is_wrong() -> None:
    found = told(CALL.replace("[GET, POST]", "[GTE]").replace('"/members', '"members'))
    assert [one.split(":")[0] for one in found] == ["3", "10"]


def test_a_permission_that_does_not_exist_is_told_at_its_key() -> None:
    assert told(CALL.replace("methods: [GET, POST]", "method: [GET]"))[0].startswith(
        "3:61: A connection of module 'http' has no permission 'method'. Did you mean 'methods'?"
    )


@pytest.mark.parametrize(
    ("module", "key", "entry", "message"),
    [
        ("http", "addresses", "'127.0.0'", "'127.0.0' is no network. Did you mean '127.0.0.0/24'?"),
        ("http", "addresses", "127.0.0.1/8", "'127.0.0.1/8' is no network. Did you mean '127.0.0.0/8'?"),
        ("http", "addresses", "'300.1'", "'300.1' is no network. Write it as in '127.0.0.0/8'."),
        ("http", "addresses", "localhost", "'localhost' is no network. Write it as in '127.0.0.0/8'."),
        ("http", "hosts", "'https://a.example/v1'", "Did you mean 'a.example'?"),
        ("http", "hosts", "'a.example:8080'", "Did you mean 'a.example'?"),
        ("http", "hosts", "'a.example/v1'", "Did you mean 'a.example'?"),
        ("http", "hosts", "'[::1]'", "Did you mean '::1'?"),
        ("http", "hosts", "'*.a.example'", "is no host: it is named without scheme, port, path and '*'. Write a name"),
        ("http", "hosts", "'http://[x'", "is no host"),
        ("http", "hosts", "'127.0.0'", "is no host"),
        ("http", "hosts", "''", "is no host"),
        ("database", "tables", "'*'", "'*' is no table. Name each that the statements use, as they do."),
        ("database", "writes", "' claims'", "' claims' is no table."),
        (
            "notify",
            "channels",
            "'mailto://'",
            "'mailto://' is no kind of channel, the part of an address before '://'.",
        ),
        ("notify", "channels", "'mailto:x@y'", "Did you mean 'mailto'?"),
        ("notify", "channels", "'e mail'", "Write 'mailto', 'slack', 'json'."),
        ("files", "paths", "/etc/*", "No path below the root is '/etc/*'. Write names with '/' between them"),
        ("files", "paths", "'../*.txt'", "No path below the root is '../*.txt'."),
    ],
)
def test_an_entry_that_allows_nothing_is_told_at_its_place(module: str, key: str, entry: str, message: str) -> None:
    text = allowing(module, key, entry)
    more = "" if key in ("hosts", "tables", "writes", "channels", "paths") else "hosts: [a.example], "
    text = text.replace(f"{{{key}:", f"{{{more}{key}:")
    (found,) = told(text)
    column = text.splitlines()[3].index(f"[{entry}]") + 2
    assert found.startswith(f"4:{column}: ") and message in found


@pytest.mark.parametrize(
    ("module", "key", "entry"),
    [
        ("http", "hosts", "localhost"),
        ("http", "hosts", "127.0.0.1"),
        ("http", "hosts", "'::1'"),
        ("http", "hosts", "bücher.example"),
        ("http", "hosts", "my_host.internal"),
        ("database", "tables", "main.members"),
        ("database", "tables", "my table"),
        ("notify", "channels", "jsons"),
        ("files", "paths", "'*'"),
    ],
)
def test_an_entry_that_can_be_met_is_no_error(module: str, key: str, entry: str) -> None:
    assert told(allowing(module, key, entry)) == []


def test_the_methods_of_a_connection_are_those_of_a_step() -> None:
    assert load_catalog().effects["http"].settings["method"].allowed == METHODS


def test_a_connection_that_is_not_declared_is_told_at_its_key() -> None:
    (found,) = told(CALL.replace("connection: service", "connection: servce"))
    assert found.startswith("8:17: Connection 'servce' is not declared with module 'http' under 'connections'.")


def test_a_connection_that_is_not_named_is_told_at_the_module() -> None:
    (found,) = told(CALL.replace("    connection: service\n", ""))
    assert found.startswith("7:13: Module 'http' needs the setting 'connection'")


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ("{path: /x, timeout_second: 3, query: {i: id}}", "10:26", "has no setting 'timeout_second'. Did you mean"),
        ("{path: /x, timeout_seconds: soon}", "10:43", "'timeout_seconds' is 'soon'; a value of type integer"),
        ("{timeout_seconds: 3}", "10:5", "needs the setting 'path'"),
    ],
)
def test_a_wrong_setting_is_told_at_its_place(settings: str, place: str, message: str) -> None:
    (found,) = told(CALL.replace('{path: "/members/{id}"}', settings))
    assert found.startswith(f"{place}: ") and message in found


def test_a_setting_that_is_missing_with_all_others_is_told_at_the_module() -> None:
    (found,) = told(CALL.replace('    settings: {path: "/members/{id}"}\n', ""))
    assert found.startswith("7:13: Module 'http' needs the setting 'path'")
