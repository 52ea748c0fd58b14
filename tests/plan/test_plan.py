"""From specification and catalogue to a plan."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import load_catalog
from compiled_ai.errors import SpecError
from compiled_ai.library.types import Field, FieldType
from compiled_ai.plan import CompilePlan, make_plan
from compiled_ai.showing import MOST_CASES, MOST_CHARACTERS
from compiled_ai.spec.model import (
    CallStep,
    ForEach,
    FunctionStep,
    GoldenCase,
    Mark,
    PackUse,
    Parameter,
    RuleStep,
    WorkflowSpec,
)

MARK = Mark("x.yaml", 7, 3)
MakeSpec = Callable[..., WorkflowSpec]
MakeStep = Callable[..., FunctionStep]
MakeCase = Callable[..., GoldenCase]


def plan(spec: WorkflowSpec, **more: Any) -> CompilePlan:
    return make_plan(spec, load_catalog(), **more)


def a_rule(**more: Any) -> RuleStep:
    base = {
        "name": "decide",
        "identifier": "decide",
        "class_name": "Decide",
        "mark": MARK,
        "result": (Field("outcome", "outcome", FieldType("string", enum=("A", "B"))),),
        "logic": None,
        "source_text": "",
        "logic_mark": MARK,
    }
    return RuleStep(**{**base, **more})


def a_call(**more: Any) -> CallStep:
    base = {
        "name": "find",
        "identifier": "find",
        "class_name": "Find",
        "mark": MARK,
        "result": (Field("plan", "plan", FieldType("string")),),
        "module": "database",
        "settings": {"connection": "c", "statement": "SELECT 1"},
        "arguments": {},
    }
    return CallStep(**{**base, **more})


# ---------------------------------------------------------------- refusals


def test_everything_that_the_catalogue_lacks_is_reported_at_once_with_its_place(spec: MakeSpec) -> None:
    wrong = spec(
        [a_call(module="databse"), a_call(name="other", settings={"connection": "c"})],
        packs=(PackUse("HIPPA", Mark("x.yaml", 2, 9)),),
        template="streem",
        modules=("pandas",),
    )
    with pytest.raises(SpecError) as failure:
        plan(wrong)
    found = {finding.rule: finding for finding in failure.value.details}
    assert set(found) == {"plan.template", "plan.pack", "plan.module", "plan.setting"}
    assert (found["plan.pack"].line, found["plan.pack"].column) == (2, 9)
    text = str(failure.value)
    assert "Did you mean 'HIPAA'" in text
    assert "Did you mean 'database'" in text
    assert "Unknown module 'pandas'" in text
    assert "needs the setting 'statement'" in text
    assert failure.value.exit_code == 2


# ---------------------------------------------------------------- choices


def test_a_specification_of_rules_needs_no_model(spec: MakeSpec) -> None:
    made = plan(spec([a_rule()]))
    assert not made.needs_model
    assert made.functions == ()
    assert ("model", "none") in {(choice.what, choice.value) for choice in made.choices}


def test_the_template_follows_from_the_steps_unless_it_is_named(spec: MakeSpec) -> None:
    fallback = a_rule(on_failure="fallback", fallback={"outcome": "A"})
    assert plan(spec([a_rule()])).template.name == "handler"
    assert plan(spec([fallback])).template.name == "validator"
    assert plan(spec([fallback], template="handler")).template.name == "handler"
    for word, name in (("nightly", "batch"), ("stream", "stream")):
        chosen = plan(replace(spec([a_rule()]), description=f"Decides the {word.title()} of claims."))
        assert chosen.template.name == name
        assert chosen.choices[0].reason == f"The description speaks of {word!r}."
    assert "Step 'decide' names a fallback." in [choice.reason for choice in plan(spec([fallback])).choices]


def test_every_choice_has_one_sentence_of_reason(spec: MakeSpec, case: MakeCase) -> None:
    made = plan(spec(golden=tuple(case(n, f"Invoice {n}") for n in range(9)), packs=(PackUse("HIPAA", MARK),)))
    assert {choice.what.split()[0] for choice in made.choices} >= {
        "template",
        "pack",
        "prompt",
        "golden",
        "function",
        "module",
        "cases",
    }
    for choice in made.choices:
        assert choice.reason.endswith(".")
        assert choice.reason[0].isupper()


def test_the_same_specification_gives_the_same_plan(spec: MakeSpec, case: MakeCase) -> None:
    golden = tuple(case(n, f"Invoice {n} total {n}") for n in range(40))
    one, two = plan(spec(golden=golden)), plan(spec(golden=tuple(reversed(golden))))
    assert canonical_json(one.to_json()["pools"]) == canonical_json(two.to_json()["pools"])
    assert canonical_json(one.to_json()) == canonical_json(plan(spec(golden=golden)).to_json())


def test_the_plan_as_json_holds_no_contents_of_cases(spec: MakeSpec, case: MakeCase) -> None:
    golden = tuple(case(n, f"MARKER {n}") for n in range(9))
    assert "MARKER" not in canonical_json(plan(spec(golden=golden)).to_json())


def test_packs_that_send_missing_results_to_review_are_named_per_step(spec: MakeSpec) -> None:
    packs = (PackUse("HIPAA", MARK), PackUse("CMS_Decision_Timeframes", MARK))
    made = plan(spec([a_rule(on_failure="review"), a_rule(name="other", on_failure="fail")], packs=packs))
    assert made.pack_reasons == {"decide": ("HIPAA", "CMS_Decision_Timeframes")}
    assert made.sinks["inputs"] == "encrypted"
    assert plan(spec([a_rule(on_failure="review")])).pack_reasons == {}


# ---------------------------------------------------------------- functions


def test_the_signature_is_exact_and_the_given_classes_are_python(
    spec: MakeSpec, function_step: MakeStep, field: Callable[..., Field]
) -> None:
    line = FieldType("object", fields=(field("item", "string"), field("amount", "money")), class_name="Line")
    step = function_step(
        parameters=(
            Parameter("inputs.lines", "lines", FieldType("list", items=FieldType("box"))),
            Parameter("earlier.day", "day", FieldType("date", optional=True)),
        ),
        result=(
            Field("rows", "rows", FieldType("list", items=line)),
            field("kind", "string", enum=("a", "b")),
            Field("no", "no", FieldType("integer", minimum=None), description="Number of the page."),
        ),
    )
    function = plan(spec([step])).functions[0]
    assert function.signature == "def read_fields(lines: tuple[Box, ...], day: date | None) -> ReadFields:"
    assert [node.name for node in ast.parse(function.given).body if isinstance(node, ast.ClassDef)] == [
        "Line",
        "ReadFields",
    ]
    assert "kind: str  # one of 'a', 'b'" in function.given
    assert "no: int  # Number of the page." in function.given
    assert "compiled_ai.library.values" in function.allowed_imports


def test_modules_are_lent_by_what_the_step_reads_and_returns(
    spec: MakeSpec, function_step: MakeStep, field: Callable[..., Field]
) -> None:
    plain = function_step(prose="Classify the request.", result=(field("label", "string"),), parameters=())
    assert plan(spec([plain])).functions[0].modules == ()
    dated = function_step(prose="When is it due?", result=(field("due", "date"),), parameters=())
    assert [module.name for module in plan(spec([dated])).functions[0].modules] == ["dates"]
    names = [module.name for module in plan(spec([function_step()])).functions[0].modules]
    assert "layout" in names and "money" in names


def test_modules_that_the_specification_names_are_the_only_ones_lent(spec: MakeSpec) -> None:
    function = plan(spec(modules=("dates",))).functions[0]
    assert [module.name for module in function.modules] == ["dates"]
    assert "compiled_ai.library.layout" not in function.allowed_imports
    assert "re" in function.allowed_imports


# ---------------------------------------------------------------- shown cases


def documents(case: MakeCase, count: int = 60) -> tuple[GoldenCase, ...]:
    """Three layouts; the rest of each page is its own."""
    heads = ("Invoice number bill vendor", "Contract order agency station", "Receipt shop cashier change")
    return tuple(
        case(n, f"{heads[n % 3]}\n" + "\n".join(f"row{chr(97 + n % 26)} {n} {k}" for k in range(60)), group=f"g{n}")
        for n in range(count)
    )


def test_only_the_shown_pool_is_ever_shown(spec: MakeSpec, case: MakeCase) -> None:
    made = plan(spec(golden=documents(case)))
    visible = {each.id for each in made.pools.shown}
    assert made.functions[0].shown
    assert {each.id for each in made.functions[0].shown} <= visible


def test_shown_cases_differ_in_layout(spec: MakeSpec, case: MakeCase) -> None:
    shown = plan(spec(golden=documents(case))).functions[0].shown
    assert len({each.given["document"].split()[0] for each in shown}) == 3


def test_shown_documents_keep_to_their_number_and_size(spec: MakeSpec, case: MakeCase) -> None:
    golden = tuple(case(n, f"start{n} " + "word and line\n" * 3000 + f" end{n}", group=f"g{n}") for n in range(40))
    shown = plan(spec(golden=golden)).functions[0].shown
    assert 3 <= len(shown) <= MOST_CASES
    assert sum(each.characters for each in shown) <= MOST_CHARACTERS
    for each in shown:
        assert each.shortened
        assert each.given["document"].startswith("start") and "characters left out" in each.given["document"]
    smaller = plan(spec(golden=golden), most_characters=3_000).functions[0].shown
    assert sum(each.characters for each in smaller) <= 3_000


def test_small_inputs_keep_to_their_number(spec: MakeSpec, case: MakeCase) -> None:
    golden = tuple(case(n, f"request number {n}") for n in range(200))
    assert len(plan(spec(golden=golden)).functions[0].shown) == MOST_CASES


def test_real_records_are_shown_under_hipaa_only_on_a_stated_basis(spec: MakeSpec, case: MakeCase) -> None:
    packs = (PackUse("HIPAA", MARK),)
    golden, examples = documents(case), (case(900, "an example"),)
    with pytest.raises(SpecError, match="a specification is stored in the clear"):
        plan(spec(golden=golden, examples=examples, packs=packs))
    silent = plan(spec(golden=golden, packs=packs))
    assert silent.functions[0].shown == ()
    assert any("HIPAA needs metadata.data_basis" in choice.reason for choice in silent.choices)
    assert plan(spec(golden=golden, packs=packs, data_basis="synthetic")).functions[0].shown


def test_without_sealed_cases_the_plan_says_provisional(spec: MakeSpec, case: MakeCase) -> None:
    made = plan(spec(examples=(case(1, "one"),)))
    assert [each.id for each in made.functions[0].shown] == ["case-1"]
    assert any("provisional" in choice.reason for choice in made.choices)


def test_a_function_is_shown_what_it_is_given_not_what_the_workflow_is(
    spec: MakeSpec, function_step: MakeStep, case: MakeCase
) -> None:
    step = function_step(
        parameters=(
            Parameter("ask.note", "note", FieldType("text")),
            Parameter("inputs.document", "d", FieldType("text")),
        )
    )
    told = case(1, "doc", effects={"ask": {"note": "said"}})
    silent = case(2, "doc two")
    shown = plan(spec([step], examples=(told, silent))).functions[0].shown
    assert [(each.id, dict(each.given)) for each in shown] == [("case-1", {"note": "said", "d": "doc"})]


def test_expected_values_are_those_of_the_step_or_else_of_the_workflow(
    spec: MakeSpec, function_step: MakeStep, case: MakeCase
) -> None:
    example = (case(1, "doc", expected={"number": "1", "outcome": "A"}),)
    own = plan(spec(examples=example)).functions[0].shown[0]
    assert (dict(own.expected), own.whole) == ({"number": "1"}, False)
    whole = plan(spec([function_step(), a_rule()], examples=example)).functions[0].shown[0]
    assert (dict(whole.expected), whole.whole) == ({"number": "1", "outcome": "A"}, True)


def test_a_step_that_goes_through_a_list_is_shown_its_first_item(
    spec: MakeSpec, function_step: MakeStep, case: MakeCase
) -> None:
    rows = Parameter("inputs.rows", "rows", FieldType("list", items=FieldType("text")))
    step = function_step(
        parameters=(Parameter("item", "item", FieldType("text")),), for_each=ForEach(item="item", source=rows)
    )
    shown = plan(spec([step], examples=(case(1, input={"rows": ["first", "second"]}),))).functions[0].shown
    assert dict(shown[0].given) == {"item": "first"}


def test_boxes_are_shown_one_a_line(spec: MakeSpec, function_step: MakeStep, case: MakeCase) -> None:
    step = function_step(parameters=(Parameter("inputs.lines", "lines", FieldType("list", items=FieldType("box"))),))
    example = case(1, input={"lines": [[1, 2, 3, 4, "a"], [5, 6, 7, 8, "b"]]})
    shown = plan(spec([step], examples=(example,))).functions[0].shown
    assert shown[0].given["lines"] == '[1,2,3,4,"a"]\n[5,6,7,8,"b"]'


def test_a_changed_specification_leaves_the_plan_of_the_first_alone(spec: MakeSpec, case: MakeCase) -> None:
    first = spec(golden=documents(case))
    before = canonical_json(plan(first).to_json())
    plan(replace(first, golden=first.golden[:30]))
    assert canonical_json(plan(first).to_json()) == before


def test_further_candidates_see_every_layout_and_each_other_cases_of_it(
    spec: MakeSpec, case: MakeCase
) -> None:
    forms = ["Invoice\nCustomer   {0}\nTotal due   5\n", "Rechnung\nKunde   {0}\nBetrag netto   5\n"]
    golden = tuple(
        case(number, input={"document": forms[number % 2 if number < 40 else 0].format(f"W{number}") * 3})
        for number in range(60)
    )
    limits = replace(spec().limits, candidates=3)
    function = plan(replace(spec(golden=golden), limits=limits)).functions[0]
    assert len(function.others) == 2
    for number in (1, 2):
        texts = [text for each in function.cases(number) for text in each.given.values()]
        assert any("Rechnung" in text for text in texts)
        assert any("Invoice" in text for text in texts)
    assert {each.id for each in function.cases(1)} != {each.id for each in function.cases(2)}
