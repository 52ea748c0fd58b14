"""What a specification says, after reading: immutable, typed, every default filled in and listed.

`load_spec` (in `spec/loader.py`) makes it; everything to the right of `spec/` reads it and nothing writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from compiled_ai.library.agreement import MetricName
from compiled_ai.library.types import Field, FieldType
from compiled_ai.records import Finding

OnFailure = Literal["review", "fail", "fallback"]
Unfamiliar = Literal["accept", "abstain", "review"]


@dataclass(frozen=True)
class Mark:
    """A place in the specification's file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Default:
    """A default that the author did not write. `plan` prints each."""

    path: str
    """The key as the author would write it, for example `logic_requirements[0].on_failure`."""
    value: str
    reason: str
    mark: Mark | None = None


@dataclass(frozen=True)
class Parameter:
    """One value that a step reads."""

    source: str
    """Where it comes from, dotted: `inputs.document`, `extract_factors.bmi`, `item` (inside a `for_each`)."""
    identifier: str
    """The parameter's Python name in the step's function."""
    type: FieldType


@dataclass(frozen=True)
class Check:
    """One `validation` line of a step: a condition that must be TRUE (null is not) of the step's own fields."""

    text: str
    condition: Any
    """The rule language's syntax tree (`spec.rules.ast.Expression`)."""
    reads: tuple[Parameter, ...]
    mark: Mark


@dataclass(frozen=True)
class ForEach:
    item: str
    """Name of the item in the step's scope."""
    source: Parameter
    """The list that is gone through."""


@dataclass(frozen=True, kw_only=True)
class Step:
    name: str
    identifier: str
    """Python name of the step's result in `run`, and of its function."""
    class_name: str
    """Python name of the dataclass of its result."""
    mark: Mark
    description: str = ""
    result: tuple[Field, ...]
    """Fields that the step yields, in scope as `step.field` and flat where unique."""
    parameters: tuple[Parameter, ...] = ()
    """What it reads, in order of first mention."""
    when: Check | None = None
    for_each: ForEach | None = None
    validation: tuple[Check, ...] = ()
    on_failure: OnFailure = "fail"
    fallback: Mapping[str, Any] | None = None
    """JSON of the result that stands in, when `on_failure` is `fallback`."""


@dataclass(frozen=True, kw_only=True)
class RuleStep(Step):
    """`deterministic_rule`: rule text, or a decision table."""

    logic: Any
    """`spec.rules.ast.Logic` or `spec.rules.ast.DecisionTable`."""
    source_text: str
    """The author's words, as written."""
    logic_mark: Mark
    """Where the first character of the rule text stands."""


@dataclass(frozen=True, kw_only=True)
class FunctionStep(Step):
    """`function`: prose that a model turns into one pure function."""

    prose: str
    prose_mark: Mark
    examples: tuple[GoldenCase, ...] = ()
    """Cases of this step alone, always shown to the model; inputs are named by the last word of their source."""


@dataclass(frozen=True, kw_only=True)
class BoundedStep(Step):
    """`bounded_invocation`: one fenced model call at run time."""

    instructions: str = ""
    model: str | None = None
    attempts: int = 2
    max_tokens: int = 1024
    timeout_seconds: int = 60


@dataclass(frozen=True, kw_only=True)
class CallStep(Step):
    """`call`: a module of the catalogue (database, http, notify, files, human)."""

    module: str
    settings: Mapping[str, Any]
    """The module's own keys, as written and checked against its description (`connection`, `statement`, ...)."""
    arguments: Mapping[str, Parameter]
    """Named arguments (`parameters: {id: member_id}`)."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Where the value of each key, and of each of the settings, stands."""
    key_marks: Mapping[str, Mark] = field(default_factory=dict)
    """Where each key, and each of the settings, stands itself."""
    on_none: OnFailure = "fail"
    on_many: OnFailure = "fail"


@dataclass(frozen=True)
class Connection:
    """What call steps reach under a name; address and secret come from the environment."""

    name: str
    module: str
    allow: Mapping[str, Any]
    """The allow-list, as written and checked against the module's description."""
    mark: Mark
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Where each key of the allow-list stands, and each entry of a list (`methods[1]`)."""


@dataclass(frozen=True)
class Output:
    field: Field
    source: str
    """Where the value comes from, dotted: `evaluate_coverage.outcome`, `inputs.claim_id`."""
    mark: Mark | None = None


@dataclass(frozen=True)
class PackUse:
    """A compliance pack that applies, and what the specification says about it."""

    name: str
    mark: Mark
    waived: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Control id to `{"by": WHO, "reason": WHY}`, for controls that this specification waives."""


@dataclass(frozen=True)
class Metric:
    """How one output field is compared with its golden value, and how often it must agree."""

    metric: MetricName
    threshold: Decimal
    tolerance: Decimal | None = None
    """Largest absolute difference for `number` and `money`."""


@dataclass(frozen=True)
class Accuracy:
    fields: Mapping[str, Metric]
    overall: Decimal | None = None
    """Least mean over fields."""


@dataclass(frozen=True)
class GoldenCase:
    """One line of `golden.jsonl`; `expected` may name some of the outputs only."""

    id: str
    input: Mapping[str, Any]
    expected: Mapping[str, Any]
    group: str | None = None
    effects: Mapping[str, Any] = field(default_factory=dict)
    reviews: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    candidates: int = 1
    """Functions that are compiled independently; the best on the selection cases is kept."""
    target: Decimal | None = None
    """While attempts are left, the weakest field is sent back where it stays below this share."""
    committee: int = 1
    """Functions that run side by side and vote."""
    confidence: Decimal = Decimal("0.9")
    """Confidence that an answer of a committee needs."""
    unfamiliar: Unfamiliar = "accept"
    """What happens to a document of a layout that no golden case has."""
    function_lines: int = 50
    memory_mb: int = 512
    cpu_seconds: int = 10


@dataclass(frozen=True)
class Table:
    """A reference table, loaded and pinned by digest (`spec/tables.py`)."""

    name: str
    identifier: str
    file: str
    keys: tuple[str, ...]
    columns: tuple[Field, ...]
    rows: tuple[tuple[Any, ...], ...]
    digest: str
    effective_from: str | None = None
    effective_to: str | None = None
    mark: Mark | None = None


@dataclass(frozen=True, kw_only=True)
class WorkflowSpec:
    file: str
    text: str
    digest: str
    """SHA-256 of the file's text."""
    name: str
    slug: str
    """The file's name in lower case, with underscores: folder and artifact name."""
    version: str
    description: str
    packs: tuple[PackUse, ...]
    reference: tuple[str, ...]
    """Input fields by which runs are found."""
    data_basis: str | None
    """On what basis golden cases may be shown to a model (`synthetic`, `de-identified`, `BAA with ...`)."""
    inputs: tuple[Field, ...]
    steps: tuple[RuleStep | FunctionStep | BoundedStep | CallStep, ...]
    """In the order of execution (a topological order that keeps the author's wherever it can)."""
    outputs: tuple[Output, ...]
    tables: tuple[Table, ...] = ()
    connections: tuple[Connection, ...] = ()
    accuracy: Accuracy
    golden: tuple[GoldenCase, ...] = ()
    examples: tuple[GoldenCase, ...] = ()
    """Cases written into the specification itself: always shown, never sealed."""
    properties: tuple[Check, ...] = ()
    """Conditions over inputs and outputs that every run must satisfy."""
    template: str | None = None
    modules: tuple[str, ...] = ()
    """Pure library modules that generated functions may import; empty: the plan chooses."""
    limits: Limits = Limits()
    adverse_outcomes: tuple[str, ...] = ()
    """Outcomes that count as a denial under `CMS_Decision_Timeframes`."""
    defaults: tuple[Default, ...] = ()
    warnings: tuple[Finding, ...] = ()
    """What is probably not meant, though it can be compiled."""
