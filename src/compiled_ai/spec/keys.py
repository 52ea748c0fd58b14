"""Every key of a specification, once: the loader checks by it, `schema` and the reference are made from it."""

from __future__ import annotations

from decimal import Decimal

from compiled_ai.spec.modules import installed_calls, installed_templates
from compiled_ai.spec.shapes import (
    Either,
    Key,
    ListOf,
    MapOf,
    Number,
    Record,
    Special,
    Text,
    Value,
    Variants,
)
from compiled_ai.spec.types import NAME_PATTERN, check_named_field, check_type

PACKS = ("HIPAA", "PCI_DSS", "SOC2", "CMS_Decision_Timeframes", "GDPR")
TEMPLATES = ("handler", "validator", "batch", "stream")
CALL_MODULES = ("database", "http", "notify", "files", "human")
METRICS = ("exact", "text", "number", "date", "money", "set", "records")
UNFAMILIAR = ("accept", "abstain", "review")
ON_FAILURE = ("review", "fail", "fallback")
REVIEW_ACTIONS = ("approve", "correct", "reject")
STEP_KINDS = ("deterministic_rule", "function", "bounded_invocation", "call")

_TEXT = Text()
_TEXTS = ListOf(_TEXT)
_NAME = Text(pattern=NAME_PATTERN, means="a name without dots and brackets")
_TYPE = Special("type", check_type)
_FIELDS = Either(items=ListOf(Special("field", check_named_field)), fields=MapOf(_TYPE, names=NAME_PATTERN))
_SHARE = Number(Decimal(0), Decimal(1))


def _whole(low: int, high: int) -> Number:
    return Number(Decimal(low), Decimal(high), whole=True)


_ID = Key(_TEXT, "A name of the case, unique in its list.")
_CASE = Record(
    {
        "id": _ID,
        "group": Key(_TEXT, "Cases of one group are never split between pools (a vendor, a form)."),
        "input": Key(MapOf(Value()), "The inputs of the case, by name.", required=True),
        "expected": Key(MapOf(Value()), "The outputs that are right, by name; some of them suffice.", required=True),
        "effects": Key(MapOf(Value()), "Result of each bounded invocation and call, by step."),
        "reviews": Key(MapOf(Value()), "What a person decides at each step that asks for a review, by step."),
    },
    "a case",
)
_GOLDEN = Record({**_CASE.keys, "id": Key(_TEXT, _ID.description, required=True)}, "a golden case")
_STEP_CASE = Record(
    {
        "id": _ID,
        "input": Key(MapOf(Value()), "What the step reads, by name.", required=True),
        "expected": Key(MapOf(Value()), "What the step yields, by name.", required=True),
    },
    "an example of a step",
)
_STEP = {
    "step": Key(_NAME, "The name of the step; its results are read as 'step.field'.", required=True),
    "type": Key(Text(choices=STEP_KINDS, means="type of step"), f"One of {', '.join(STEP_KINDS)}.", required=True),
    "description": Key(_TEXT, "What the step is for, in words."),
    "validation": Key(
        Either(scalar=_TEXT, items=_TEXTS), "Conditions on the step's own fields, each of which must be TRUE."
    ),
    "when": Key(_TEXT, "A condition; where it is not TRUE the step is left out and its fields are null."),
    "for_each": Key(
        Either(
            scalar=Text(pattern=r"\s*\S.*\s+in\s+\S.*", means="'ITEM in LIST'"),
            fields=Record(
                {
                    "item": Key(_NAME, "What the item is called in the step.", required=True),
                    "in": Key(_TEXT, "The list that is gone through.", required=True),
                },
                "'for_each'",
            ),
        ),
        "Runs the step once for each item of a list: 'line in lines'.",
    ),
    "on_failure": Key(Text(choices=ON_FAILURE, means="on_failure"), "What happens where there is no valid result."),
    "fallback": Key(MapOf(Value()), "The result that stands in, with 'on_failure: fallback'."),
}
_INPUTS = Key(Either(scalar=_TEXT, items=_TEXTS), "The inputs and results that the step reads.")
_TABLE = Record(
    {
        "file": Key(_TEXT, "A CSV or XLSX file, relative to the specification."),
        "sheet": Key(_TEXT, "The sheet of an XLSX file; by default the first."),
        "range": Key(_TEXT, "The cells of the table in the sheet, such as 'A3:F40'."),
        "columns": Key(_TEXTS, "Names of the cells, where rows are lists."),
        "rows": Key(ListOf(Either(items=ListOf(Value()), fields=MapOf(Value())), least=1), "The rows, inline."),
        "hit_policy": Key(_TEXT, "UNIQUE (the default), ANY, PRIORITY, FIRST, RULE ORDER, OUTPUT ORDER, COLLECT ..."),
        "inputs": Key(
            Either(scalar=_TEXT, items=_TEXTS, fields=MapOf(_TEXT)), "Columns that are tested, or column: expression."
        ),
        "outputs": Key(
            Either(scalar=_TEXT, items=_TEXTS, fields=MapOf(ListOf(_TEXT))),
            "Columns that are yielded, or column: [its values, best first].",
        ),
        "default": Key(MapOf(_TEXT), "What is yielded where no row applies."),
        "reason": Key(_TEXT, "The column with the reason."),
        "id": Key(_TEXT, "The column with the row's id."),
        "notes": Key(_TEXT, "A column that decides nothing."),
    },
    "'table'",
    needs_one_of=(("file", "rows"),),
)
_RULE = Record(
    {
        **_STEP,
        "logic": Key(_TEXT, "The rule: IF ... THEN ... ELSE ..., or lines 'name = expression'."),
        "table": Key(_TABLE, "A decision table, inline or in a file."),
        "schema": Key(_FIELDS, "The fields that the rule yields; by default they follow from the rule."),
    },
    "a step of type 'deterministic_rule'",
    needs_one_of=(("logic", "table"),),
)
_FUNCTION = Record(
    {
        **_STEP,
        "logic": Key(_TEXT, "What the function does, in prose; by default the 'description'."),
        "inputs": _INPUTS,
        "schema": Key(_FIELDS, "The fields that the function yields, with their types.", required=True),
        "examples": Key(ListOf(_STEP_CASE), "Cases of this step alone, always shown to the model."),
    },
    "a step of type 'function'",
    needs_any_of=("description", "logic"),
)
_BOUNDED = Record(
    {
        **_STEP,
        "inputs": _INPUTS,
        "schema": Key(_FIELDS, "The fields that the model may answer with.", required=True),
        "instructions": Key(_TEXT, "What the model is told beside the types and their descriptions."),
        "model": Key(_TEXT, "The model by name; by default the one that the run is started with."),
        "attempts": Key(_whole(1, 10), "How often the model is asked before 'on_failure'."),
        "max_tokens": Key(_whole(1, 1_000_000), "Longest answer."),
        "timeout_seconds": Key(_whole(1, 86_400), "Longest wait for one answer."),
    },
    "a step of type 'bounded_invocation'",
)
_MODULE = Text(choices=CALL_MODULES, more=installed_calls, means="module")
_CALL = Record(
    {
        **_STEP,
        "module": Key(_MODULE, f"One of {', '.join(CALL_MODULES)}, or of an installed package.", required=True),
        "connection": Key(_TEXT, "Name of the connection; its address and secret come from the environment."),
        "statement": Key(_TEXT, "SQL with named parameters (':id')."),
        "parameters": Key(MapOf(_TEXT), "Named arguments and where their values come from."),
        "returns": Key(_FIELDS, "The fields of the answer, with their types.", required=True),
        "on_none": Key(Text(choices=ON_FAILURE, means="on_none"), "What happens where nothing is found."),
        "on_many": Key(Text(choices=ON_FAILURE, means="on_many"), "What happens where more than one row is found."),
        "settings": Key(MapOf(Value()), "The module's own settings."),
    },
    "a step of type 'call'",
)
STEP = Variants(
    "type",
    {"deterministic_rule": _RULE, "function": _FUNCTION, "bounded_invocation": _BOUNDED, "call": _CALL},
    "a step",
)
_WAIVER = Record(
    {"by": Key(_TEXT, "Who waives it.", required=True), "reason": Key(_TEXT, "Why.", required=True)}, "a waiver"
)
_PACK = Text(choices=PACKS, means="compliance pack")
_COMPLIANCE = Key(
    ListOf(
        Either(
            scalar=_PACK,
            fields=Record(
                {
                    "pack": Key(_PACK, f"One of {', '.join(PACKS)}.", required=True),
                    "waive": Key(MapOf(_WAIVER), "Controls that this workflow waives, each with who and why."),
                },
                "a compliance entry",
            ),
        )
    ),
    "Compliance packs that apply.",
)
_METADATA = Record(
    {
        "name": Key(_TEXT, "What the workflow is called; by default the name of the file."),
        "version": Key(_TEXT, "The author's version, a label."),
        "description": Key(_TEXT, "What the workflow decides, in words."),
        "owner": Key(_TEXT, "Who answers for it."),
        "compliance": _COMPLIANCE,
        "reference": Key(Either(scalar=_TEXT, items=_TEXTS), "Inputs by which a run is found again (a claim number)."),
        "data_basis": Key(_TEXT, "On what basis cases may be shown to a model: 'synthetic', 'de-identified', ..."),
        "adverse_outcomes": Key(_TEXTS, "Outcomes that count as a denial under CMS_Decision_Timeframes."),
    },
    "'metadata'",
)
_OUTPUT = Record(
    {
        "name": Key(_NAME, "The key in the output.", required=True),
        "from": Key(_TEXT, "The input or result it comes from; by default the field of the same name."),
        "type": Key(_TYPE, "The type, where it shall be checked."),
        "description": Key(_TEXT, "What it means."),
    },
    "an output",
)
_OUTPUT_OF_MAP = Record({key: shape for key, shape in _OUTPUT.keys.items() if key != "name"}, "an output")
_METRIC = Text(choices=METRICS, means="metric")
_METRIC_RECORD = Record(
    {
        "metric": Key(_METRIC, f"One of {', '.join(METRICS)}; by default it follows from the type."),
        "threshold": Key(_SHARE, "Least share of right cases."),
        "tolerance": Key(Number(Decimal(0), Decimal(10) ** 30), "Largest difference of a number or an amount."),
    },
    "a metric",
)
LIMITS = Record(
    {
        "candidates": Key(_whole(1, 20), "How many functions are compiled independently; the best is kept."),
        "target": Key(_SHARE, "While attempts are left, a weakest field below this share is sent back."),
        "committee": Key(_whole(1, 9), "How many functions run side by side and vote."),
        "confidence": Key(_SHARE, "Confidence that an answer of a committee needs; below it, the field is null."),
        "unfamiliar": Key(
            Text(choices=UNFAMILIAR, means="answer to unfamiliar layouts"),
            f"What happens to a document of a layout that no golden case has: one of {', '.join(UNFAMILIAR)}.",
        ),
        "function_lines": Key(_whole(5, 500), "Longest function that the model may write."),
        "memory_mb": Key(_whole(64, 16_384), "Memory of one record."),
        "cpu_seconds": Key(_whole(1, 3_600), "Processor time of one record."),
    },
    "'limits'",
)
_DATA = Record(
    {
        "file": Key(_TEXT, "A CSV, XLSX or Parquet file, relative to the specification.", required=True),
        "keys": Key(Either(scalar=_TEXT, items=ListOf(_TEXT, least=1)), "The key columns.", required=True),
        "sheet": Key(_TEXT, "The sheet of an XLSX file; by default the first."),
        "range": Key(_TEXT, "The cells of the data in the sheet, such as 'A3:F40'."),
        "columns": Key(MapOf(_TYPE), "Types of columns; by default a key is text, other columns are what they hold."),
        "effective_from": Key(_TEXT, "The column with the first day of a row."),
        "effective_to": Key(_TEXT, "The column with the last day of a row."),
    },
    "a reference table",
)
_CONNECTION = Record(
    {
        "module": Key(_MODULE, "The module that uses it.", required=True),
        "allow": Key(MapOf(Value()), "What its steps may do: hosts, tables, paths, channels.", required=True),
    },
    "a connection",
)
_CASES = Either(scalar=_TEXT, items=ListOf(_GOLDEN))
_STEPS = Key(ListOf(STEP, least=1), "The steps, in any order; each runs when what it reads is there.")
_TEMPLATE = Text(choices=TEMPLATES, more=installed_templates, means="template")
SPECIFICATION = Record(
    {
        "metadata": Key(_METADATA, "What the workflow is."),
        "inputs": Key(_FIELDS, "What a run is given: name and type of each field.", required=True),
        "logic_requirements": _STEPS,
        "steps": _STEPS,
        "outputs": Key(
            Either(
                scalar=_TEXT,
                items=ListOf(Either(scalar=_TEXT, fields=_OUTPUT), least=1),
                fields=MapOf(Either(scalar=_TEXT, fields=_OUTPUT_OF_MAP), least=1),
            ),
            "What a run yields; by default the fields of the last step.",
        ),
        "examples": Key(ListOf(_CASE), "Cases that are always shown to the model."),
        "golden": Key(_CASES, "Cases that judge a candidate: a list, or a JSONL file."),
        "accuracy": Key(
            MapOf(Either(scalar=_TEXT, fields=_METRIC_RECORD)),
            "How each output is compared, and how often it must agree.",
        ),
        "properties": Key(_TEXTS, "Conditions on inputs and outputs that every run must satisfy."),
        "tables": Key(MapOf(_DATA, names=NAME_PATTERN), "Reference data that rules look up."),
        "connections": Key(
            MapOf(_CONNECTION, names=r"[A-Za-z]\w*"), "What the call steps reach, and what is allowed there."
        ),
        "template": Key(_TEMPLATE, f"One of {', '.join(TEMPLATES)}."),
        "modules": Key(_TEXTS, "Library modules that generated functions may import."),
        "compliance": _COMPLIANCE,
        "limits": Key(LIMITS, "Limits of compiling and running."),
    },
    "the specification",
    needs_one_of=(("logic_requirements", "steps"),),
)
