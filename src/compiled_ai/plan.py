"""Specification and catalogue to `CompilePlan`: every choice of a compile, each with the sentence that says why.

Pure: reads nothing, calls nothing. The same specification and catalogue give the same plan.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiled_ai.call_plans import brought, call_faults, told_of_calls
from compiled_ai.catalog import Catalog, Pack, Prompt, Protection, PureModule, Sink, Template, strictest
from compiled_ai.errors import suggest
from compiled_ai.library.types import Field, FieldType
from compiled_ai.pools import Pools, split
from compiled_ai.records import Finding
from compiled_ai.showing import MOST_CHARACTERS, ShownCase, choose_by_layout, choose_cases
from compiled_ai.spec.findings import refuse
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import FunctionStep, GoldenCase, Mark, Parameter, RuleStep, WorkflowSpec

USUAL_LINES = 20
"""A function is asked for with `USUAL_LINES` to `limits.function_lines` lines."""


@dataclass(frozen=True)
class Choice:
    """One line of `plan`: what was chosen, and one sentence of reason."""

    what: str
    value: str
    reason: str


@dataclass(frozen=True)
class FunctionPlan:
    """All that a model is told and held to for one function step."""

    step: FunctionStep
    signature: str
    """`def read_fields(document: str) -> ReadFields:`"""
    given: str
    """Source of the dataclasses that the signature needs, as the prompt shows them."""
    modules: tuple[PureModule, ...]
    """Library modules that are lent."""
    allowed_imports: frozenset[str]
    shown: tuple[ShownCase, ...]
    most_lines: int
    others: tuple[tuple[ShownCase, ...], ...] = ()
    """What each candidate after the first is shown: other cases of as many layouts as there are."""

    def cases(self, candidate: int) -> tuple[ShownCase, ...]:
        """Returns what a candidate is shown (counted from 0)."""
        return self.shown if candidate == 0 or not self.others else self.others[(candidate - 1) % len(self.others)]

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.step.identifier

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.step.parameters

    @property
    def reads_document(self) -> bool:
        """The step reads values from a page: each needs a place there, or it is null (unless it is `computed`)."""
        kinds = _kinds([each.type for each in self.parameters])
        return bool(kinds & {"text", "box"}) and any(module.name == "layout" for module in self.modules)

    @property
    def returns(self) -> str:
        """Name of the class that the function returns."""
        return self.step.class_name

    @property
    def required(self) -> tuple[str, ...]:
        """Identifiers of the result's fields that cannot be None."""
        return tuple(field.identifier for field in self.step.result if not field.type.optional)

    @property
    def declared_errors(self) -> frozenset[str]:
        """What the function is told that it may raise: `ValueError` where a required field cannot be determined."""
        return frozenset({"ValueError"}) if self.required else frozenset()


@dataclass(frozen=True)
class CompilePlan:
    spec: WorkflowSpec
    template: Template
    packs: tuple[Pack, ...]
    prompt: Prompt
    functions: tuple[FunctionPlan, ...]
    """In the order of execution; empty if no model is needed."""
    pools: Pools
    sinks: Mapping[Sink, Protection]
    pack_reasons: Mapping[str, tuple[str, ...]]
    """Step name to the packs behind its failure policy."""
    choices: tuple[Choice, ...]
    brought: Mapping[str, Mapping[str, str]]
    """Call module to the installed package that brings it: `{"package", "digest"}`."""
    catalog_digest: str

    @property
    def needs_model(self) -> bool:
        return bool(self.functions)

    @property
    def candidates(self) -> int:
        """How many are compiled independently: as many as asked for, and at least one for each seat of a committee."""
        return max(self.spec.limits.candidates, self.spec.limits.committee) if self.functions else 1

    @property
    def declared_errors(self) -> frozenset[str]:
        """What some function of the plan may raise."""
        return frozenset().union(*(function.declared_errors for function in self.functions))

    def function(self, step: str) -> FunctionPlan:
        return next(function for function in self.functions if function.step.name == step)

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as JSON, without the contents of cases."""
        return {
            "workflow": self.spec.slug,
            "specification": self.spec.digest,
            "template": self.template.name,
            "packs": [pack.name for pack in self.packs],
            "prompt": {"version": self.prompt.version, "digest": self.prompt.digest},
            "catalog": self.catalog_digest,
            "functions": [_function_json(function) for function in self.functions],
            "pools": {
                "groups": self.pools.groups,
                **{name: len(getattr(self.pools, name)) for name in ("shown", "selection", "sealed")},
            },
            "sinks": dict(self.sinks),
            "choices": [{"what": each.what, "value": each.value, "reason": each.reason} for each in self.choices],
            "defaults": [
                {"path": each.path, "value": each.value, "reason": each.reason} for each in self.spec.defaults
            ],
        }


def _function_json(function: FunctionPlan) -> dict[str, Any]:
    return {
        "step": function.step.name,
        "signature": function.signature,
        "given": function.given,
        "modules": [module.import_path for module in function.modules],
        "allowed_imports": sorted(function.allowed_imports),
        "shown": [case.id for case in function.shown],
        "shown_characters": sum(case.characters for case in function.shown),
        "most_lines": function.most_lines,
        "declared_errors": sorted(function.declared_errors),
    }


def read_spec(path: str | Path, catalog: Catalog) -> WorkflowSpec:
    """Reads a specification and holds it against the catalogue.

    Raises:
        SpecError: with every finding of both, in the order of the file.
    """
    return load_spec(path, against=lambda spec: plan_faults(spec, catalog))


def make_plan(
    spec: WorkflowSpec,
    catalog: Catalog,
    *,
    ever_shown: Collection[str] = (),
    most_characters: int = MOST_CHARACTERS,
) -> CompilePlan:
    """Chooses template, packs, modules, signatures and shown cases.

    Args:
        spec: The specification.
        catalog: What there is to choose from.
        ever_shown: Ids of golden cases that an earlier compile has shown to a model; they are not sealed again.
        most_characters: Of the inputs shown in one prompt.

    Raises:
        SpecError: the specification names a template, pack, module or setting that the catalogue does not have.
    """
    faults = tuple(plan_faults(spec, catalog))
    if faults:
        refuse(faults)
    packs = tuple(catalog.packs[use.name] for use in spec.packs)
    pools = split(spec.golden, spec.examples, ever_shown=ever_shown)
    visible = pools.shown if may_show(spec, packs) else ()
    functions = tuple(
        _function_plan(step, spec, catalog, visible, most_characters)
        for step in spec.steps
        if isinstance(step, FunctionStep)
    )
    template, why = _template(spec, catalog)
    prompt = catalog.prompts[catalog.prompt_version]
    return CompilePlan(
        spec=spec,
        template=template,
        packs=packs,
        prompt=prompt,
        functions=functions,
        pools=pools,
        sinks=strictest(packs),
        pack_reasons=_pack_reasons(spec, packs),
        choices=tuple(_choices(spec, template, why, packs, prompt, functions, pools)),
        brought=brought(spec, catalog),
        catalog_digest=catalog.digest,
    )


def may_show(spec: WorkflowSpec, packs: Sequence[Pack]) -> bool:
    """Tells whether a model may see golden cases: no pack forbids it, or the specification says on what basis."""
    return spec.data_basis is not None or not any(pack.requires_data_basis for pack in packs)


# ---------------------------------------------------------------- what the catalogue does not have


def plan_faults(spec: WorkflowSpec, catalog: Catalog) -> Iterator[Finding]:
    """Yields what a specification asks for that the catalogue does not have, or does not allow."""
    yield from _template_faults(spec, catalog)
    yield from _module_faults(spec, catalog)
    yield from _call_faults(spec, catalog)
    yield from _pattern_faults(spec)
    yield from _case_faults(spec, catalog)


def _fault(spec: WorkflowSpec, rule: str, message: str, mark: Mark | None = None, step: str | None = None) -> Finding:
    return Finding(
        rule=rule,
        message=message,
        file=mark.file if mark else spec.file,
        line=mark.line if mark else None,
        column=mark.column if mark else None,
        step=step,
    )


def _template_faults(spec: WorkflowSpec, catalog: Catalog) -> Iterator[Finding]:
    if spec.template is not None and spec.template not in catalog.templates:
        hint = suggest(spec.template, catalog.templates)
        yield _fault(spec, "plan.template", f"There is no template {spec.template!r}.{hint}")
    for use in spec.packs:
        if use.name not in catalog.packs:
            hint = suggest(use.name, catalog.packs)
            yield _fault(spec, "plan.pack", f"There is no compliance pack {use.name!r}.{hint}", use.mark)


def _module_faults(spec: WorkflowSpec, catalog: Catalog) -> Iterator[Finding]:
    known = {*catalog.modules, *catalog.standard}
    for name in spec.modules:
        if name not in known:
            hint = suggest(name, catalog.modules)
            yield _fault(spec, "plan.module", f"Unknown module {name!r}.{hint}")


def _call_faults(spec: WorkflowSpec, catalog: Catalog) -> Iterator[Finding]:
    for fault in call_faults(spec, catalog):
        yield _fault(spec, fault.rule, fault.message, fault.mark, fault.step)


def _case_faults(spec: WorkflowSpec, catalog: Catalog) -> Iterator[Finding]:
    """A specification is stored in the clear: cases that a pack encrypts belong into a file of their own."""
    packs = [catalog.packs[use.name] for use in spec.packs if use.name in catalog.packs]
    encrypting = [pack.name for pack in packs if pack.sinks.get("golden_cases") != "clear"]
    inside = spec.examples or any(getattr(step, "examples", ()) for step in spec.steps)
    if encrypting and "synthetic" not in (spec.data_basis or "") and (inside or _GOLDEN_INSIDE.search(spec.text)):
        message = (
            f"{encrypting[0]} encrypts golden cases, and a specification is stored in the clear. Put the cases into a "
            "file (golden: cases.jsonl), or say in metadata.data_basis that they are synthetic."
        )
        yield _fault(spec, "plan.inline_cases", message)


_GOLDEN_INSIDE = re.compile(r"^golden:[ \t]*(?:#.*|\[.*)?$", re.MULTILINE)


def _pattern_faults(spec: WorkflowSpec) -> Iterator[Finding]:
    """Patterns that can run for ages on a hostile text: declared for a field, or written into a rule."""
    from compiled_ai.gates.regex import regex_problem

    for name, pattern, mark in _patterns(spec):
        problem = regex_problem(pattern)
        if problem is not None:
            message = f"The pattern {pattern!r} of {name} can run for ages: {problem}. Write it without nested repeats."
            yield _fault(spec, "plan.pattern", message, mark)


def _patterns(spec: WorkflowSpec) -> Iterator[tuple[str, str, Mark | None]]:
    fields = [(field, None) for field in spec.inputs]
    fields += [(field, step.mark) for step in spec.steps for field in step.result]  # type: ignore[misc]
    for field, mark in fields:
        for kind in _all_types(field.type):
            if kind.pattern is not None:
                yield f"field {field.name!r}", kind.pattern, mark
    for step in spec.steps:
        if isinstance(step, RuleStep):
            for pattern in _WRITTEN_PATTERN.findall(step.source_text):
                yield f"step {step.name!r}", pattern, step.logic_mark


_WRITTEN_PATTERN = re.compile(r'(?i:\bmatches)\s+"([^"]*)"')


def _all_types(kind: FieldType) -> Iterator[FieldType]:
    yield kind
    if kind.items is not None:
        yield from _all_types(kind.items)
    for field in kind.fields:
        yield from _all_types(field.type)


# ---------------------------------------------------------------- choices


def _template(spec: WorkflowSpec, catalog: Catalog) -> tuple[Template, str]:
    if spec.template is not None:
        return catalog.templates[spec.template], "The specification names it."
    fallback = next((step.name for step in spec.steps if step.fallback is not None), None)
    if fallback is not None and "validator" in catalog.templates:
        return catalog.templates["validator"], f"Step {fallback!r} names a fallback."
    said = re.findall(r"[a-z]+", spec.description.lower())
    for template in catalog.templates.values():
        word = next((word for word in said if word in template.words), None)
        if word is not None:
            return template, f"The description speaks of {word!r}."
    return catalog.templates["handler"], "No step names a fallback."


def _pack_reasons(spec: WorkflowSpec, packs: Sequence[Pack]) -> dict[str, tuple[str, ...]]:
    names = tuple(pack.name for pack in packs if pack.missing_result == "review")
    return {step.name: names for step in spec.steps if names and step.on_failure == "review"}


def _function_plan(
    step: FunctionStep, spec: WorkflowSpec, catalog: Catalog, visible: Sequence[GoldenCase], most_characters: int
) -> FunctionPlan:
    modules = tuple(module for module, _ in _lent(step, spec, catalog))
    return FunctionPlan(
        step=step,
        signature=signature(step),
        given=given_source(step),
        modules=modules,
        allowed_imports=frozenset(
            [*catalog.standard, *_value_modules(step), *(module.import_path for module in modules)]
        ),
        shown=choose_cases(step, visible, spec.outputs, most_characters=most_characters),
        most_lines=spec.limits.function_lines,
        others=tuple(
            choose_by_layout(step, visible, spec.outputs, turn, most_characters=most_characters)
            for turn in range(max(spec.limits.candidates, spec.limits.committee) - 1)
        ),
    )


def signature(step: FunctionStep) -> str:
    """Returns the first line of the step's function, to the letter."""
    parameters = ", ".join(f"{each.identifier}: {each.type.python()}" for each in step.parameters)
    return f"def {step.identifier}({parameters}) -> {step.class_name}:"


def _value_modules(step: FunctionStep) -> tuple[str, ...]:
    kinds = _kinds([*(each.type for each in step.parameters), *(field.type for field in step.result)])
    return ("compiled_ai.library.values",) if kinds & {"box", "years_months_duration"} else ()


def _lent(step: FunctionStep, spec: WorkflowSpec, catalog: Catalog) -> Iterator[tuple[PureModule, str]]:
    if spec.modules:
        yield from (
            (catalog.modules[name], "the specification names it") for name in spec.modules if name in catalog.modules
        )
        return
    inputs = _kinds(each.type for each in step.parameters)
    results = _kinds(field.type for field in step.result)
    words = _words(step)
    for module in catalog.modules.values():
        lend = module.lend
        anywhere = not (lend.inputs or lend.results or lend.words)
        if anywhere or inputs & set(lend.inputs) or results & set(lend.results) or words & set(lend.words):
            yield module, module.reason


def _words(step: FunctionStep) -> set[str]:
    names = [field.name for field in step.result] + [each.source for each in step.parameters]
    return set(re.findall(r"[a-z]+", f"{step.prose} {' '.join(names)}".lower()))


def _kinds(types: Any) -> set[str]:
    found: set[str] = set()
    for kind in types:
        found.add(kind.kind)
        found |= _kinds([kind.items] if kind.items else []) | _kinds(field.type for field in kind.fields)
    return found


def _choices(
    spec: WorkflowSpec,
    template: Template,
    why: str,
    packs: Sequence[Pack],
    prompt: Prompt,
    functions: Sequence[FunctionPlan],
    pools: Pools,
) -> Iterator[Choice]:
    yield Choice("template", template.name, why)
    for pack in packs:
        later = sum(control.status == "not_yet" for control in pack.controls)
        yield Choice(
            f"pack {pack.name}",
            f"{len(pack.controls) - later} of {len(pack.controls)} controls enforced",
            "The specification asks for it.",
        )
    for what, value, reason in told_of_calls(spec):
        yield Choice(what, value, reason)
    if not functions:
        yield Choice("model", "none", "Every step is a rule, a call or a bounded call; nothing is left to write.")
        return
    yield Choice("prompt", prompt.version, "It is the newest version of the prompt files.")
    yield _pool_choice(spec, packs, pools)
    for function in functions:
        yield from _function_choices(function, spec)


def _pool_choice(spec: WorkflowSpec, packs: Sequence[Pack], pools: Pools) -> Choice:
    sizes = f"{len(pools.shown)} shown, {len(pools.selection)} selection, {len(pools.sealed)} sealed"
    if not may_show(spec, packs):
        names = ", ".join(pack.name for pack in packs if pack.requires_data_basis)
        return Choice("golden cases", sizes, f"None is shown to a model: {names} needs metadata.data_basis to say why.")
    if not pools.sealed:
        return Choice("golden cases", sizes, "Without sealed cases the artifact is provisional.")
    return Choice("golden cases", sizes, f"Whole groups ({pools.groups}) fall into a pool by their hash.")


def _function_choices(function: FunctionPlan, spec: WorkflowSpec) -> Iterator[Choice]:
    step = function.step
    yield Choice(
        f"function {step.name}",
        function.signature,
        "Parameters are what the step reads, in order of first mention; it returns the step's fields.",
    )
    for module in function.modules:
        reason = "the specification names it" if module.name in spec.modules else module.reason
        yield Choice(f"module for {step.name}", module.import_path, f"Lent because {reason}.")
    if function.reads_document:
        yield Choice(
            f"evidence for {step.name}",
            "required",
            "It reads a document: a value without a place there is null, unless its field says `computed`.",
        )
    characters = sum(case.characters for case in function.shown)
    cut = sum(case.shortened for case in function.shown)
    shown = ", ".join(case.id for case in function.shown) or "none"
    yield Choice(
        f"cases for {step.name}",
        shown,
        f"They differ most in layout; {characters} characters together{f', {cut} cut in the middle' if cut else ''}."
        if function.shown
        else "No case may be shown, or none states what the function is given.",
    )


# ---------------------------------------------------------------- what the prompt calls "Given"


def given_source(step: FunctionStep) -> str:
    """Returns the dataclasses of a function's parameters and result, each after those that it needs."""
    written: dict[str, str] = {}
    for parameter in step.parameters:
        _write_objects(parameter.type, written)
    for field in step.result:
        _write_objects(field.type, written)
    _write_class(step.class_name, step.result, written)
    return "\n\n".join(written.values())


def _write_objects(kind: FieldType, written: dict[str, str]) -> None:
    if kind.items is not None:
        _write_objects(kind.items, written)
    if kind.kind == "object" and kind.class_name and kind.class_name not in written:
        for field in kind.fields:
            _write_objects(field.type, written)
        _write_class(kind.class_name, kind.fields, written)


def _write_class(name: str, fields: Sequence[Field], written: dict[str, str]) -> None:
    lines = ["@dataclass(frozen=True, slots=True)", f"class {name}:"]
    lines += [f"    {field.identifier}: {field.type.python()}{_remark(field)}" for field in fields]
    written[name] = "\n".join(lines)


def _remark(field: Field) -> str:
    kind = field.type
    notes = [
        field.description,
        f"one of {', '.join(map(repr, kind.enum))}" if kind.enum else "",
        f"matches {kind.pattern}" if kind.pattern else "",
        f"at least {kind.minimum}" if kind.minimum is not None else "",
        f"at most {kind.maximum}" if kind.maximum is not None else "",
        f"at most {kind.max_length} long" if kind.max_length is not None else "",
    ]
    text = "; ".join(" ".join(note.split()) for note in notes if note)
    return f"  # {text}" if text else ""
