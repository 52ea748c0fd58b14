"""Algorithm 1 of the paper: generate, assemble, validate; send back precise findings; seal what passes.

```
plan -> each candidate, at most N attempts: ask for each function that is missing or failed
                                            assemble, validate (security, syntax, execution, accuracy)
                                            failed: feed the findings back.  error: stop, nothing is judged.
     -> the best one back for its weakest field, while attempts are left
     -> the best one, or a committee of several: the sealed cases, once; seal
```
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from compiled_ai.artifact import SealedFunction, read_labels, seal
from compiled_ai.assemble import Assembled, assemble, provided_names
from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import Sink, load_catalog
from compiled_ai.committee import calibrate
from compiled_ai.compilation import (
    Attempt,
    Compilation,
    gave_up,
    history,
    named,
    provisional_reason,
    summary,
    unavailable,
)
from compiled_ai.config import Settings
from compiled_ai.errors import BudgetExceeded, CompileFailed, ConfigError, Waiting
from compiled_ai.familiarity import learn_layouts
from compiled_ai.generate import Refused, build_request, extract_candidate
from compiled_ai.golden_history import count_read, ever_shown, remember_shown
from compiled_ai.models import Budget, Model, Reply, Request, Transcript, ask_all, merged, open_model
from compiled_ai.plan import CompilePlan, FunctionPlan, make_plan, read_spec
from compiled_ai.records import Finding, StageResult, Usage, ValidationReport
from compiled_ai.runtime.keys import KeyRing, TextSealer
from compiled_ai.sandbox import Sandbox
from compiled_ai.selection import Candidate, choose_members, heard, standing, weakest_field
from compiled_ai.spec.model import GoldenCase
from compiled_ai.spec.rules.table_changes import row_files
from compiled_ai.validation import open_sandbox, validate, with_sealed
from compiled_ai.validation.accuracy import judge
from compiled_ai.validation.execution import Memory

__all__ = ["Attempt", "Compilation", "CompileOptions", "Progress", "compile_spec", "golden_lines"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class CompileOptions:
    model: str | None = None
    """`recorded:DIR`, `exchange:DIR` or a pydantic-ai name; not needed where no function is to be written."""
    record: Path | None = None
    max_attempts: int = 5
    budget: Budget | None = None
    require_sandbox: bool = False
    explain_stages: bool = False


def compile_spec(
    path: Path, settings: Settings, options: CompileOptions | None = None, *, progress: Progress | None = None
) -> Compilation:
    """Compiles one specification into a sealed artifact.

    Raises:
        SpecError: the specification is wrong.
        Waiting: an exchange lacks replies; every request that can be written is written.
        CompileFailed: no candidate passed within `max_attempts` (`details` holds every attempt).
        StageUnavailable: a stage could not judge.
    """
    return _Compiler(path, settings, options or CompileOptions(), progress or (lambda _: None)).compile()


@dataclass
class _Compiler:
    path: Path
    settings: Settings
    options: CompileOptions
    progress: Progress
    replies: list[tuple[Request, Reply]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    layouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tested: Memory = field(default_factory=dict)
    """The functions that passed the execution stage; members of a committee are among them."""
    box: Sandbox = field(init=False)
    """One sandbox for all attempts; it starts when the first candidate is judged."""

    def compile(self) -> Compilation:
        started = time.perf_counter()
        catalog = load_catalog()
        spec = read_spec(self.path, catalog)
        plan = make_plan(spec, catalog, ever_shown=ever_shown(self.settings.artifacts / spec.slug))
        self._require_keys(plan)
        self.layouts = learn_layouts(spec)
        model = self._model(plan)
        with open_sandbox(plan, require=self.options.require_sandbox) as self.box:
            candidates = self._compete(plan, model)
            if model is not None:
                candidates = self._strengthen(plan, model, candidates)
            if plan.functions and spec.limits.committee > 1:
                kept, assembled, report = self._committee(plan, candidates)
            else:
                kept = [_best(candidates, plan)]
                assembled, report = self._last_word(plan, kept[0].assembled, kept[0].report)
            return self._seal(plan, assembled, report, candidates, kept, time.perf_counter() - started)

    def _compete(self, plan: CompilePlan, model: Model | None) -> list[Candidate]:
        """Lets every candidate make its attempts, all side by side; returns them, at least one of which has passed."""
        candidates = [Candidate(number) for number in range(plan.candidates)]
        for number in range(1, self.options.max_attempts + 1):
            pending = [each for each in candidates if not each.passed]
            try:
                self._round(plan, model, pending, number)
            except BudgetExceeded:
                if not any(each.passed for each in candidates):
                    raise
                self.progress("the budget is used up: what has passed is what there is")
                break
            if all(each.passed for each in candidates) or not plan.functions:
                break
        if not any(each.passed for each in candidates):
            raise gave_up(plan, self.attempts, explained=self.options.explain_stages)
        return candidates

    def _round(self, plan: CompilePlan, model: Model | None, pending: Sequence[Candidate], number: int) -> None:
        """One attempt of each pending candidate: everything is asked before anything is judged."""
        asked = {each.number: self._asked(plan, each) for each in pending}
        replies = self._ask(plan, model, pending, asked, number) if model is not None else {}
        for each in pending:
            if model is None or each.number in replies:
                each.attempts = number
                self._judge(plan, each, asked[each.number], replies.get(each.number, ()))

    def _asked(self, plan: CompilePlan, candidate: Candidate) -> Sequence[FunctionPlan]:
        """The functions that are missing, or that something was found about."""
        return [each for each in plan.functions if each.step.name in candidate.feedback] or plan.functions

    def _ask(
        self,
        plan: CompilePlan,
        model: Model,
        pending: Sequence[Candidate],
        asked: Mapping[int, Sequence[FunctionPlan]],
        number: int,
    ) -> dict[int, Sequence[Reply]]:
        """Asks for all that is pending before it waits for any reply; a budget ends it early, but not before the first.

        Returns the replies by the number of the candidate.
        """
        shown = (case.id for each in pending for function in asked[each.number] for case in function.cases(each.number))
        remember_shown(self._folder(plan), shown)
        taken: dict[int, Sequence[Reply]] = {}
        waits: list[Waiting] = []
        for each in pending:
            requests = [_request(plan, function, each, number) for function in asked[each.number]]
            try:
                taken[each.number] = ask_all(model, requests)
            except Waiting as wait:
                waits.append(wait)
            except BudgetExceeded:
                if not taken:
                    raise
                break
            else:
                self.replies += zip(requests, taken[each.number], strict=True)
        if waits:
            raise merged(waits)
        return taken

    def _judge(
        self, plan: CompilePlan, candidate: Candidate, asked: Sequence[FunctionPlan], replies: Sequence[Reply]
    ) -> None:
        """Takes the functions of the replies, and judges the candidate on all but the sealed cases."""
        candidate.assembled = None
        findings = [
            finding
            for function, reply in zip(asked, replies, strict=bool(replies))
            for finding in _take(candidate, function, reply)
        ]
        if not findings:
            try:
                candidate.assembled = self._assemble(plan, candidate.sources)
            except CompileFailed as clash:
                findings = [Finding(rule="assemble.clash", message=str(clash))]
        if candidate.assembled is None:
            stage = StageResult(name="syntax", status="failed", milliseconds=0, findings=tuple(findings))
            candidate.report = ValidationReport(stages=(stage,))
        else:
            candidate.report = self._validate(plan, candidate.assembled)
        usage = sum((reply.usage for reply in replies), Usage())
        attempt = Attempt(
            candidate.attempts, tuple(each.step.name for each in asked), candidate.report, usage, candidate.number + 1
        )
        self.attempts.append(attempt)
        self.progress(f"{named(attempt, plan.candidates)}: {summary(candidate.report)}")
        if candidate.report.status == "error":
            raise unavailable(candidate.report, self.attempts)
        candidate.feedback = _by_step(candidate.report.findings, plan)
        if candidate.passed and candidate.assembled is not None and plan.functions:
            candidate.judged = judge(candidate.assembled, plan.pools.selection, self.box)

    def _strengthen(self, plan: CompilePlan, model: Model, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Sends the best candidate back for its weakest field while attempts are left; keeps the better one."""
        best = _best(candidates, plan)
        for number in range(best.attempts + 1, self.options.max_attempts + 1):
            feedback = weakest_field(best, plan)
            if not feedback:
                break
            again = Candidate(best.number, sources=dict(best.sources), feedback=feedback)
            try:
                self._round(plan, model, [again], number)
            except BudgetExceeded:
                self.progress("the budget is used up: the weakest field stays as it is")
                break
            if again.passed and standing(again, plan.spec) < standing(best, plan.spec):
                best = again
            best.attempts = number
        return [best if each.number == best.number else each for each in candidates]

    def _committee(
        self, plan: CompilePlan, candidates: Sequence[Candidate]
    ) -> tuple[list[Candidate], Assembled, ValidationReport]:
        """Seats a committee, gives its votes a confidence from the selection cases, and judges it as a whole."""
        passed, wanted = [each for each in candidates if each.passed], plan.spec.limits.committee
        while True:
            kept = choose_members(passed, plan.spec, wanted)
            if len(kept) < wanted:
                raise CompileFailed(
                    f"A committee of {wanted} was asked for, and {len(kept)} different candidates passed.",
                    remedy="Raise limits.candidates or --max-attempts, or lower limits.committee.",
                    details=history(self.attempts),
                )
            sources = {step: [each.sources[step] for each in kept] for step in kept[0].sources}
            rules = {each.step.name: calibrate(each.step, plan.spec, wanted, heard(kept)) for each in plan.functions}
            try:
                assembled = self._assemble(plan, sources, rules)
                break
            except CompileFailed:  # the last one imports another thing under the same name
                passed.remove(kept[-1])
        report = self._validate(plan, assembled)
        self.progress(f"committee of {wanted}: {summary(report)}")
        return kept, *self._last_word(plan, assembled, report)

    def _last_word(
        self, plan: CompilePlan, assembled: Assembled | None, report: ValidationReport | None
    ) -> tuple[Assembled, ValidationReport]:
        """Judges what was chosen on the sealed cases, once: whatever they say ends the compile."""
        assert assembled is not None and report is not None
        if report.status == "passed" and plan.functions:
            reads = count_read(self._folder(plan), plan.pools.sealed, assembled.source)
            report = with_sealed(report, assembled, plan, self.box, reads=reads)
        if report.status == "error":
            raise unavailable(report, self.attempts)
        if report.status != "passed":
            raise gave_up(plan, self.attempts, explained=self.options.explain_stages, report=report)
        return assembled, report

    def _model(self, plan: CompilePlan) -> Model | None:
        if not plan.functions:
            return None
        if self.options.model is None:
            steps = ", ".join(function.step.name for function in plan.functions)
            raise ConfigError(
                f"The specification asks a model to write {steps}, and no model is named.",
                remedy="Give --model recorded:DIR, exchange:DIR, or a provider's name such as anthropic:NAME.",
            )
        protect = TextSealer(self._keys) if plan.sinks.get("prompts") == "encrypted" else None
        return open_model(self.options.model, record=self.options.record, budget=self.options.budget, protect=protect)

    def _assemble(
        self,
        plan: CompilePlan,
        sources: Mapping[str, str | Sequence[str]],
        committees: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Assembled:
        return assemble(
            plan.spec,
            plan.template.source,
            sources,
            template_name=plan.template.name,
            pack_reasons=plan.pack_reasons,
            sinks={str(sink): str(how) for sink, how in plan.sinks.items()},
            reading=[function.step.name for function in plan.functions if function.reads_document],
            committees=committees,
            layouts=self.layouts,
            brought=plan.brought,
        )

    def _validate(self, plan: CompilePlan, assembled: Assembled) -> ValidationReport:
        return validate(
            assembled,
            plan,
            cache=self.settings.cache,
            box=self.box,
            sealed=False,
            explain=self.options.explain_stages,
            declared_errors=plan.declared_errors,
            memory=self.tested,
        )

    def _folder(self, plan: CompilePlan) -> Path:
        return self.settings.artifacts / plan.spec.slug

    def _seal(
        self,
        plan: CompilePlan,
        assembled: Assembled,
        report: ValidationReport,
        candidates: Sequence[Candidate],
        kept: Sequence[Candidate],
        seconds: float,
    ) -> Compilation:
        compilation = Compilation(
            plan=plan,
            folder=Path(),
            attempts=tuple(self.attempts),
            report=report,
            usage=sum((attempt.usage for attempt in self.attempts), Usage()),
            origins=tuple(sorted({reply.origin for _, reply in self.replies})),
            models=tuple(sorted({reply.model for _, reply in self.replies})),
            seconds=seconds,
            provisional=provisional_reason(report),
            candidates=tuple(each.describe(plan.spec, kept) for each in candidates) if len(candidates) > 1 else (),
            explained=self.options.explain_stages,
        )
        held = read_labels(self._folder(plan)).versions.get(plan.spec.version)
        folder = seal(
            self.settings.artifacts,
            workflow=plan.spec.slug,
            version=plan.spec.version,
            identity=_identity(plan, assembled, kept[0].sources),
            evidence=self._evidence(plan, assembled, compilation),
            functions={each.step.name: _sealed(each, assembled) for each in plan.functions},
        )
        if held is not None and held != folder.name:
            self.progress(
                f"note: version {plan.spec.version} was {held[:12]} and is now {folder.name[:12]}; "
                "give each change a metadata.version of its own"
            )
        return replace(compilation, folder=folder)

    def _evidence(self, plan: CompilePlan, assembled: Assembled, compilation: Compilation) -> dict[str, str | bytes]:
        transcript = Transcript()
        for request, reply in self.replies:
            transcript.add(request, reply)
        return {
            "report.json": canonical_json(compilation.evidence()) + "\n",
            "plan.json": canonical_json(plan.to_json()) + "\n",
            "line_map.json": canonical_json({str(line): told for line, told in assembled.line_map.items()}) + "\n",
            **self._protected(
                "golden_cases", plan, "golden.jsonl", golden_lines([*plan.spec.examples, *plan.spec.golden])
            ),
            **self._protected("prompts", plan, "transcript.jsonl", transcript.to_jsonl()),
        }

    def _protected(self, sink: Sink, plan: CompilePlan, name: str, text: str) -> dict[str, str | bytes]:
        """Returns a file of the evidence as the sink's protection asks: clear, sealed, or not written at all."""
        how = plan.sinks.get(sink, "clear")
        if not text or how == "forbidden":
            return {}
        if how == "clear":
            return {name: text}
        return {f"{name}.sealed": self._keys.seal(text.encode("utf-8"), context=f"evidence:{name}")}

    def _require_keys(self, plan: CompilePlan) -> None:
        """Stops before anything is done if a pack will want encryption and there is no key."""
        if any(plan.sinks.get(sink) == "encrypted" for sink in ("golden_cases", "prompts")):
            packs = ", ".join(pack.name for pack in plan.packs if "encrypted" in pack.sinks.values())
            self._keys.require(f"The golden cases and transcripts of an artifact under {packs}")

    @cached_property
    def _keys(self) -> KeyRing:
        return KeyRing.from_environment(home=self.settings.home)


def golden_lines(cases: Sequence[GoldenCase]) -> str:
    """Returns golden cases as JSON lines, as `golden.jsonl` is written."""
    return "".join(
        canonical_json(
            {
                "id": case.id,
                "input": dict(case.input),
                "expected": dict(case.expected),
                **({"group": case.group} if case.group is not None else {}),
                **({"effects": dict(case.effects)} if case.effects else {}),
                **({"reviews": dict(case.reviews)} if case.reviews else {}),
            }
        )
        + "\n"
        for case in cases
    )


def _best(candidates: Sequence[Candidate], plan: CompilePlan) -> Candidate:
    return min((each for each in candidates if each.passed), key=lambda each: standing(each, plan.spec))


def _request(plan: CompilePlan, function: FunctionPlan, candidate: Candidate, number: int) -> Request:
    """What a candidate is asked in a round; no two ask under the same sample number."""
    return build_request(
        plan,
        function,
        candidate.feedback.get(function.step.name, ()),
        candidate.sources.get(function.step.name),
        sample=(number - 1) * plan.candidates + candidate.number,
        candidate=candidate.number,
    )


def _take(candidate: Candidate, function: FunctionPlan, reply: Reply) -> Sequence[Finding]:
    """Keeps the function of a reply as the step's latest source, or returns what is wrong with the reply."""
    taken = extract_candidate(reply.text, function, truncated=reply.truncated)
    if taken.source is not None:
        candidate.sources[function.step.name] = taken.source
    return taken.findings if isinstance(taken, Refused) else ()


def _sealed(function: FunctionPlan, assembled: Assembled) -> SealedFunction:
    members = assembled.members.get(function.step.name, ())
    names = [f"functions/{member.name}.py" for member in members] or [f"functions/{function.step.name}.py"]
    return SealedFunction(members=names, imports=function.allowed_imports, provided=provided_names(assembled.source))


def _identity(plan: CompilePlan, assembled: Assembled, sources: Mapping[str, str]) -> dict[str, str]:
    alone = {f"functions/{step}.py": source for step, source in sources.items() if step not in assembled.members}
    together = {f"functions/{each.name}.py": each.source for group in assembled.members.values() for each in group}
    return {
        "workflow.py": assembled.source,
        "program.json": canonical_json(assembled.program) + "\n",
        "specification.yaml": plan.spec.text,
        **alone,
        **together,
        **{f"tables/{name}": text for name, text in assembled.tables.items()},
        **{f"tables/{name}": text for name, text in row_files(plan.spec).items()},
    }


def _by_step(findings: Sequence[Finding], plan: CompilePlan) -> dict[str, list[Finding]]:
    """Sends each finding to the function that it is about; one that names none goes to all."""
    grouped: dict[str, list[Finding]] = {}
    steps = [function.step.name for function in plan.functions]
    for finding in findings:
        if finding.severity != "error":
            continue
        for step in [finding.step] if finding.step in steps else steps:
            grouped.setdefault(str(step), []).append(finding)
    return grouped
