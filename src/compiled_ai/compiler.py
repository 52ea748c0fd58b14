"""Algorithm 1 of the paper: generate, assemble, validate; send back precise findings; seal what passes.

```
plan -> for at most N attempts: ask for each function that is missing or failed
                                assemble, validate (security, syntax, execution, accuracy)
                                passed: seal.  failed: feed the findings back.  error: stop, nothing is judged.
```
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from compiled_ai.artifact import SealedFunction, read_labels, seal
from compiled_ai.assemble import Assembled, assemble, provided_names
from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import Sink, load_catalog
from compiled_ai.config import Settings
from compiled_ai.errors import CompileFailed, ConfigError, StageUnavailable
from compiled_ai.generate import Refused, build_request, extract_candidate
from compiled_ai.golden_history import count_read, ever_shown, remember_shown
from compiled_ai.models import Budget, Model, Reply, Request, Transcript, ask_all, open_model
from compiled_ai.plan import CompilePlan, FunctionPlan, make_plan
from compiled_ai.records import Finding, StageResult, Usage, ValidationReport
from compiled_ai.runtime.keys import KeyRing, TextSealer
from compiled_ai.sandbox import Sandbox
from compiled_ai.spec.loader import load_spec
from compiled_ai.spec.model import GoldenCase
from compiled_ai.spec.rules.table_changes import row_files
from compiled_ai.validation import open_sandbox, validate

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


@dataclass(frozen=True)
class Attempt:
    """One round: what was asked, and what the stages found."""

    number: int
    asked: tuple[str, ...]
    """Steps whose function was asked for in this round."""
    report: ValidationReport
    usage: Usage

    @property
    def caught_by(self) -> list[str]:
        """The stages that refuse the candidate, each by itself; with `explain_stages` every stage has looked."""
        stages = self.report.stages
        return [stage.name for stage in stages if "failed" in (stage.status, stage.measures.get("alone"))]


@dataclass(frozen=True)
class Compilation:
    """What came of one compilation that passed."""

    plan: CompilePlan
    folder: Path
    attempts: tuple[Attempt, ...]
    usage: Usage
    origins: tuple[str, ...]
    """Where the replies came from: `live`, `exchange`, `authored`."""
    models: tuple[str, ...]
    seconds: float
    provisional: str | None
    explained: bool = False
    """Every stage has judged every candidate."""

    @property
    def digest(self) -> str:
        return self.folder.name

    @property
    def report(self) -> ValidationReport:
        return self.attempts[-1].report

    def page(self) -> str:
        """Returns the result as a person reads it."""
        lines = [f"{self.plan.spec.slug}@{self.plan.spec.version}  {self.digest}"]
        lines += [f"  {stage.name:<10} {stage.status:<8} {stage.milliseconds:>9.1f} ms" for stage in self.report.stages]
        replies = f"replies: {', '.join(self.origins)}" if self.origins else "no model was needed"
        tokens = f"{self.usage.input_tokens} in, {self.usage.output_tokens} out ({self.usage.origin})"
        lines.append(f"  {len(self.attempts)} attempt(s); tokens {tokens}; {replies}")
        lines += _explained(self.attempts) if self.explained else []
        lines.append(f"  {'provisional: ' + self.provisional if self.provisional else 'validated'}")
        return "\n".join([*lines, f"  {self.folder}"])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{escape(self.page())}</pre>"

    def describe(self) -> dict[str, Any]:
        """Returns the result as the command line prints it with `--json`."""
        return {
            "workflow": self.plan.spec.slug,
            "version": self.plan.spec.version,
            "digest": self.digest,
            "path": str(self.folder),
            "attempts": len(self.attempts),
            "stages": [stage.model_dump(mode="json", exclude_none=True) for stage in self.report.stages],
            "tokens": {
                "input": self.usage.input_tokens,
                "output": self.usage.output_tokens,
                "origin": self.usage.origin,
            },
            "replies": list(self.origins),
            "models": list(self.models),
            "provisional": self.provisional,
            "seconds": round(self.seconds, 3),
            **({"caught_by": [attempt.caught_by for attempt in self.attempts]} if self.explained else {}),
        }


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
    candidates: dict[str, str] = field(default_factory=dict)
    """Step to the source of its latest candidate."""
    box: Sandbox = field(init=False)
    """One sandbox for all attempts; it starts when the first candidate is judged."""

    def compile(self) -> Compilation:
        started = time.perf_counter()
        spec = load_spec(self.path)
        plan = make_plan(spec, load_catalog(), ever_shown=ever_shown(self.settings.artifacts / spec.slug))
        self._require_keys(plan)
        model = self._model(plan)
        with open_sandbox(plan, require=self.options.require_sandbox) as self.box:
            return self._attempts(plan, model, started)

    def _attempts(self, plan: CompilePlan, model: Model | None, started: float) -> Compilation:
        attempts: list[Attempt] = []
        pending: Sequence[FunctionPlan] = plan.functions
        feedback: Mapping[str, Sequence[Finding]] = {}
        for number in range(1, self.options.max_attempts + 1):
            attempt, assembled = self._attempt(plan, model, number, pending, feedback)
            attempts.append(attempt)
            status = attempt.report.status
            self.progress(f"attempt {number}: {_summary(attempt.report)}")
            if status == "error":
                raise _unavailable(attempts)
            if status == "passed" and assembled is not None:
                return self._seal(plan, assembled, attempts, time.perf_counter() - started)
            if not plan.functions or _is_final(attempt.report):
                break  # nothing that a further attempt could change
            feedback = _by_step(attempt.report.findings, plan)
            pending = [function for function in plan.functions if function.step.name in feedback] or plan.functions
        raise _gave_up(plan, attempts, explained=self.options.explain_stages)

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

    def _attempt(
        self,
        plan: CompilePlan,
        model: Model | None,
        number: int,
        pending: Sequence[FunctionPlan],
        feedback: Mapping[str, Sequence[Finding]],
    ) -> tuple[Attempt, Assembled | None]:
        usage = Usage()
        findings: list[Finding] = []
        if model is not None:
            usage, findings = self._generate(plan, model, number, pending, feedback)
        asked = tuple(function.step.name for function in pending)
        if findings:
            stage = StageResult(name="syntax", status="failed", milliseconds=0, findings=tuple(findings))
            return Attempt(number, asked, ValidationReport(stages=(stage,)), usage), None
        try:
            assembled = self._assemble(plan)
        except CompileFailed as clash:
            finding = Finding(rule="assemble.clash", message=str(clash))
            stage = StageResult(name="syntax", status="failed", milliseconds=0, findings=(finding,))
            return Attempt(number, asked, ValidationReport(stages=(stage,)), usage), None
        return Attempt(number, asked, self._validate(plan, assembled), usage), assembled

    def _generate(
        self,
        plan: CompilePlan,
        model: Model,
        number: int,
        pending: Sequence[FunctionPlan],
        feedback: Mapping[str, Sequence[Finding]],
    ) -> tuple[Usage, list[Finding]]:
        requests = [
            build_request(
                plan, each, feedback.get(each.step.name, ()), self.candidates.get(each.step.name), sample=number - 1
            )
            for each in pending
        ]
        remember_shown(self._folder(plan), (case.id for each in pending for case in each.shown))
        replies = ask_all(model, requests)
        usage = Usage()
        findings: list[Finding] = []
        for function, request, reply in zip(pending, requests, replies, strict=True):
            self.replies.append((request, reply))
            usage = usage + reply.usage
            findings.extend(self._take(function, reply))
        return usage, findings

    def _take(self, function: FunctionPlan, reply: Reply) -> Sequence[Finding]:
        """Keeps the function of a reply as the step's candidate, or returns what is wrong with the reply."""
        taken = extract_candidate(reply.text, function, truncated=reply.truncated)
        if isinstance(taken, Refused):
            if taken.source is not None:
                self.candidates[function.step.name] = taken.source
            return taken.findings
        self.candidates[function.step.name] = taken.source
        return ()

    def _assemble(self, plan: CompilePlan) -> Assembled:
        return assemble(
            plan.spec,
            plan.template.source,
            self.candidates,
            template_name=plan.template.name,
            pack_reasons=plan.pack_reasons,
            sinks={str(sink): str(how) for sink, how in plan.sinks.items()},
            reading=[function.step.name for function in plan.functions if function.reads_document],
        )

    def _validate(self, plan: CompilePlan, assembled: Assembled) -> ValidationReport:
        return validate(
            assembled,
            plan,
            cache=self.settings.cache,
            box=self.box,
            reads=count_read(self._folder(plan), plan.pools.sealed, assembled.source),
            explain=self.options.explain_stages,
            declared_errors=plan.declared_errors,
        )

    def _folder(self, plan: CompilePlan) -> Path:
        return self.settings.artifacts / plan.spec.slug

    def _seal(
        self, plan: CompilePlan, assembled: Assembled, attempts: Sequence[Attempt], seconds: float
    ) -> Compilation:
        usage = sum((attempt.usage for attempt in attempts), Usage())
        report = attempts[-1].report
        provisional = _provisional(report)
        compilation = Compilation(
            plan=plan,
            folder=Path(),
            attempts=tuple(attempts),
            usage=usage,
            origins=tuple(sorted({reply.origin for _, reply in self.replies})),
            models=tuple(sorted({reply.model for _, reply in self.replies})),
            seconds=seconds,
            provisional=provisional,
            explained=self.options.explain_stages,
        )
        held = read_labels(self._folder(plan)).versions.get(plan.spec.version)
        folder = seal(
            self.settings.artifacts,
            workflow=plan.spec.slug,
            version=plan.spec.version,
            identity=self._identity(plan, assembled),
            evidence=self._evidence(plan, assembled, compilation),
            functions={each.step.name: self._sealed(each, assembled) for each in plan.functions},
        )
        if held is not None and held != folder.name:
            self.progress(
                f"note: version {plan.spec.version} was {held[:12]} and is now {folder.name[:12]}; "
                "give each change a metadata.version of its own"
            )
        return replace(compilation, folder=folder)

    def _sealed(self, function: FunctionPlan, assembled: Assembled) -> SealedFunction:
        return SealedFunction(
            members=[f"functions/{_file_name(function.step.name)}"],
            imports=function.allowed_imports,
            provided=provided_names(assembled.source),
        )

    def _identity(self, plan: CompilePlan, assembled: Assembled) -> dict[str, str]:
        functions = {f"functions/{_file_name(step)}": source for step, source in self.candidates.items()}
        return {
            "workflow.py": assembled.source,
            "program.json": canonical_json(assembled.program) + "\n",
            "specification.yaml": plan.spec.text,
            **functions,
            **{f"tables/{name}": text for name, text in assembled.tables.items()},
            **{f"tables/{name}": text for name, text in row_files(plan.spec).items()},
        }

    def _evidence(self, plan: CompilePlan, assembled: Assembled, compilation: Compilation) -> dict[str, str | bytes]:
        transcript = Transcript()
        for request, reply in self.replies:
            transcript.add(request, reply)
        return {
            "report.json": canonical_json(_report(plan, compilation)) + "\n",
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


def _file_name(step: str) -> str:
    return f"{step}.py"


def _provisional(report: ValidationReport) -> str | None:
    """Returns why the accuracy stage calls the artifact provisional, or `None`."""
    for stage in report.stages:
        why = stage.measures.get("provisional")
        if why:
            return str(why)
    return None


def _report(plan: CompilePlan, compilation: Compilation) -> dict[str, Any]:
    """Returns the content of `evidence/report.json`."""
    described = compilation.describe()
    accuracy = next((stage.measures for stage in compilation.report.stages if stage.name == "accuracy"), {})
    return {
        **{key: described[key] for key in ("workflow", "version", "attempts", "tokens", "replies", "models")},
        "stages": described["stages"],
        "provisional": compilation.provisional,
        "seconds": Decimal(str(described["seconds"])),
        "accuracy": accuracy.get("score"),
        "history": _told(compilation.attempts),
        "defaults": [{"path": each.path, "value": each.value, "reason": each.reason} for each in plan.spec.defaults],
        "waived": {pack.name: dict(pack.waived) for pack in plan.spec.packs if pack.waived},
    }


def _is_final(report: ValidationReport) -> bool:
    """A candidate that failed on the sealed cases ends the compile: for the next one they would not be sealed."""
    return any(finding.rule == "accuracy.sealed" for finding in report.findings)


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


def _summary(report: ValidationReport) -> str:
    return ", ".join(f"{stage.name} {stage.status} ({stage.milliseconds:.0f} ms)" for stage in report.stages)


def _told(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [
        {
            "attempt": attempt.number,
            "asked": list(attempt.asked),
            "caught_by": attempt.caught_by,
            "stages": [stage.model_dump(mode="json", exclude_none=True) for stage in attempt.report.stages],
            "tokens": attempt.usage.model_dump(mode="json"),
        }
        for attempt in attempts
    ]


def _unavailable(attempts: Sequence[Attempt]) -> StageUnavailable:
    stage = next(stage for stage in attempts[-1].report.stages if stage.status == "error")
    why = "; ".join(str(finding).rstrip(".") for finding in stage.findings) or "it gave no reason"
    return StageUnavailable(
        f"The stage {stage.name!r} could not judge the candidate: {why}.",
        remedy="Nothing was accepted."
        + ("" if stage.name == "accuracy" else " `compiled-ai doctor` says which tools there are."),
        details=_told(attempts),
    )


def _explained(attempts: Sequence[Attempt]) -> list[str]:
    """Says for each candidate which stage would have caught it alone."""
    return [
        f"  stages that catch attempt {each.number} alone: {', '.join(each.caught_by) or 'none, it is good'}"
        for each in attempts
    ]


def _gave_up(plan: CompilePlan, attempts: Sequence[Attempt], *, explained: bool) -> CompileFailed:
    last = attempts[-1].report
    told = [f"  attempt {each.number}: {_summary(each.report)}" for each in attempts]
    listed = "\n".join([*told, *(_explained(attempts) if explained else [])])
    found = "\n".join(f"  {finding.rule}: {finding}" for finding in last.findings[:20])
    return CompileFailed(
        f"No candidate of {plan.spec.slug!r} passed in {len(attempts)} attempts.\n{listed}\nlast findings:\n{found}\n",
        remedy="Nothing was written. Make the specification more precise, or add examples.",
        details=_told(attempts),
    )
