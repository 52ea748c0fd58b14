"""All errors of a specification are told at once, the catalogue's too, and none that only follows from another."""

from __future__ import annotations

import pytest

from compiled_ai.catalog import load_catalog
from compiled_ai.errors import SpecError
from compiled_ai.plan import plan_faults
from compiled_ai.spec import load_spec_text

CALLS = """\
inputs: {id: string, amount: money}
connections:
  claims_db: {module: database, allow: {tables: [members]}}
steps:
  - step: find
    type: call
    module: database
    connection: claims_db
    statement: SELECT plan FROM members WHERE id = :id
    parameters: {id: id}
    returns: {plan: string}
  - {step: rate, type: deterministic_rule, logic: share = amount * 2}
  - {step: pay, type: deterministic_rule, logic: 'IF plan = "A" AND share > 3 THEN YES ELSE NO'}
  - {step: later, type: deterministic_rule, when: pay.outcome = "YES", logic: IF share > 9 THEN SLOW ELSE FAST}
properties: [outputs.first != "NO" OR amount > 1]
outputs: [{name: first, from: pay.outcome}, {name: second, from: later.outcome}]
"""


def checked(text: str) -> list[str]:
    """Messages of `check`, in the order of the file, without what else is known."""
    with pytest.raises(SpecError) as caught:
        load_spec_text(text, against=lambda spec: plan_faults(spec, load_catalog()))
    return [one.message.split(" Known:")[0] for one in caught.value.details]


UNDECLARED = (
    "Connection 'claim_db' is not declared with module 'database' under 'connections'. Did you mean 'claims_db'?"
)


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("{id: id}", "{id: ident}", ["Nobody produces 'ident'."]),
        ("amount * 2", "amont * 2", ["Unknown name 'amont'. Did you mean 'amount'?"]),
        ("amount * 2", "amount * * 2", ["Unexpected '*' after '*'."]),
        (" share > 3", " shar > 3", ["Unknown name 'shar'. Did you mean 'share'?"]),
        ("{plan: string}", "{plan: strin}", ["Unknown type 'strin'. Did you mean 'string'?"]),
        ("share = amount", "shares = amount", ["Unknown name 'share'. Did you mean 'shares'?"] * 2),
    ],
)
def test_a_wrong_connection_is_told_with_other_errors_and_nothing_that_follows_from_them(
    wrong: str, right: str, told: list[str]
) -> None:
    assert wrong in CALLS
    found = checked(CALLS.replace("connection: claims_db", "connection: claim_db").replace(wrong, right))
    assert [message for message in found if message != UNDECLARED] == [
        next(message for message in found if message.startswith(each)) for each in told
    ]
    assert found.count(UNDECLARED) == 1


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("module: database, allow", "module: databse, allow", "Unknown module 'databse'. Did you mean 'database'?"),
        (", allow: {tables: [members]}", "", "Key 'allow' is missing in a connection."),
        ("    returns: {plan: string}\n", "", "Key 'returns' is missing in a step of type 'call'."),
        ("amount: money", "amount: {type: mony, minimum: 0}", "Unknown type 'mony'. Did you mean 'money'?"),
        ("amount: money", "amount: mony", "Unknown type 'mony'. Did you mean 'money'?"),
    ],
)
def test_what_cannot_be_read_is_told_once(wrong: str, right: str, told: str) -> None:
    text = CALLS.replace(":id\n    parameters: {id: id}", ":id AND x = :x\n    parameters: {id: id, x: amount}")
    assert load_spec_text(text, against=lambda spec: plan_faults(spec, load_catalog()))
    (found,) = checked(text.replace(wrong, right))
    assert found.startswith(told)


def test_two_rules_that_are_wrong_by_themselves_are_both_told() -> None:
    found = checked(CALLS.replace("amount * 2", "amont * 2").replace("share > 9", "shar > 9"))
    assert found == ["Unknown name 'amont'. Did you mean 'amount'?", "Unknown name 'shar'."]


def test_items_of_a_list_that_nobody_produces_are_not_blamed() -> None:
    rule = "{step: each, type: deterministic_rule, for_each: x in lins, logic: IF x.code = 1 THEN A ELSE B}"
    outputs = "outputs: [each, {name: all, from: each.outcome}]"
    text = f"inputs: {{lines: [{{code: integer}}]}}\nsteps:\n  - {rule}\n{outputs}\n"
    assert checked(text) == ["Nobody produces 'lins'. Did you mean 'lines'?"]
