"""Pages for the terminal: a plan, an artifact. Each is a description (JSON) and its rendering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compiled_ai.canonical import parse_json
from compiled_ai.cli.output import table

Description = Mapping[str, Any]


def section(title: str, lines: Iterable[str]) -> str:
    listed = list(lines)
    return "\n".join([f"{title}", *(f"  {line}" for line in listed)]) if listed else ""


def stage_lines(stages: Sequence[Description]) -> list[str]:
    lines = []
    for stage in stages:
        lines.append(f"{stage['name']:<10} {stage['status']:<8} {stage['milliseconds']:>8.1f} ms")
        lines.extend(f"    {finding['rule']}: {finding['message']}" for finding in stage.get("findings", ()))
    return lines


def accuracy_lines(accuracy: Description) -> list[str]:
    """One line for each field of a score (`Score.as_json`), the mean, and accuracy against coverage in total."""
    rows = [
        (name, f"{field['right']}/{field['n']}", _share(field), _interval(field), *_answers(field))
        for name, field in accuracy.get("fields", {}).items()
    ]
    text = table(rows, header=("field", "right/n", "share", "95 % interval", "answered", "right of these", "coverage"))
    mean = accuracy.get("mean")
    total = accuracy.get("answers")
    lines = [*text.splitlines(), f"mean over fields: {float(mean):.3f}" if mean is not None else "mean: not measured"]
    if total and total["answered"]:
        answered, right, coverage = _answers(total)
        lines.append(f"of what was answered ({answered} values), {right} is right; coverage {coverage}")
    return lines


def _answers(field: Description) -> tuple[str, str, str]:
    """How many values were answered, the share of right ones among them, the share of labels that got an answer."""
    accuracy, coverage = field.get("accuracy_of_answers"), field.get("coverage")
    return (
        str(field.get("answered", "")),
        "" if accuracy is None else f"{float(accuracy):.3f}",
        "" if coverage is None else f"{float(coverage):.3f}",
    )


def _share(field: Description) -> str:
    return f"{int(field['right']) / int(field['n']):.3f}" if field["n"] else "not measured"


def _interval(field: Description) -> str:
    return f"{float(field['low']):.2f} to {float(field['high']):.2f}" if field.get("low") is not None else ""


# ---------------------------------------------------------------------------------------------- plan


def describe_plan(planned: Any) -> dict[str, Any]:
    """Returns everything that `plan` shows, as JSON: choices, defaults, controls, prompts with estimated tokens."""
    from compiled_ai.generate import build_request, estimated_usage

    requests = [build_request(planned, function) for function in planned.functions]
    usage = estimated_usage(planned)
    return {
        **planned.to_json(),
        "file": planned.spec.file,
        "controls": [
            {"pack": pack.name, "control": control.id, "title": control.title, "status": control.status}
            for pack in planned.packs
            for control in pack.controls
        ],
        "prompts": [
            {
                "purpose": request.purpose,
                "system": request.system,
                "prompt": request.prompt,
                "estimated_input_tokens": request.estimated_tokens,
            }
            for request in requests
        ],
        "tokens": {"input": usage.input_tokens, "output": usage.output_tokens, "origin": usage.origin},
    }


def plan_page(described: Description) -> str:
    tokens = described["tokens"]
    parts = [
        f"{described['workflow']}  ({described['file']})",
        section("choices", [f"{each['what']}: {each['value']}. {each['reason']}" for each in described["choices"]]),
        section(
            "defaults taken", [f"{each['path']} = {each['value']}: {each['reason']}" for each in described["defaults"]]
        ),
        section(
            "controls",
            [
                f"{each['pack']}.{each['control']}: {each['status'].replace('_', ' ')}: {each['title']}"
                for each in described["controls"]
            ],
        ),
        section("sinks", [f"{sink}: {how}" for sink, how in described["sinks"].items()] if described["packs"] else []),
    ]
    for prompt in described["prompts"]:
        lines = f"{prompt['system']}\n\n{prompt['prompt']}".splitlines()
        parts.append(section(f"prompt for {prompt['purpose']}, about {prompt['estimated_input_tokens']} tokens", lines))
    cost = f"about {tokens['input']} in and {tokens['output']} out for one attempt ({tokens['origin']})"
    parts.append(f"tokens: {cost if described['prompts'] else 'none; no model is needed'}")
    return "\n\n".join(part for part in parts if part)


# ---------------------------------------------------------------------------------------------- artifact


def describe_artifact(loaded: Any) -> dict[str, Any]:
    """Returns everything that `inspect` shows, as JSON."""
    from compiled_ai.catalog import load_catalog

    packs = {pack.name: pack for pack in load_catalog().packs.values()}
    report = loaded.report
    return {
        "workflow": loaded.workflow,
        "name": loaded.program["name"],
        "version": loaded.version,
        "digest": loaded.digest,
        "path": str(loaded.folder),
        "provisional": loaded.provisional,
        "trusted_because": loaded.trusted_because,
        "environment": dict(loaded.manifest["environment"]),
        "environment_differences": list(loaded.environment_differences()),
        "steps": [
            {key: step[key] for key in ("name", "kind", "line", "on_failure", "packs")}
            for step in loaded.program["steps"]
        ],
        "controls": [
            {
                "pack": name,
                "control": control.id,
                "title": control.title,
                "source": control.source,
                "status": _control_status(name, control, report),
                "enforced_by": control.enforced_by,
            }
            for name in loaded.program["packs"]
            for control in packs[name].controls
        ],
        "sinks": dict(loaded.program["sinks"]),
        "report": dict(report),
        "specification": (loaded.identity / "specification.yaml").read_text("utf-8"),
        "source": loaded.source(),
    }


def _control_status(pack: str, control: Any, report: Description) -> str:
    waiver = report.get("waived", {}).get(pack, {}).get(control.id)
    if waiver:
        return f"waived by {waiver['by']}: {waiver['reason']}"
    return "enforced" if control.status == "enforced" else "not yet enforced"


def artifact_page(loaded: Any, described: Description) -> str:
    report = described["report"]
    tokens = report.get("tokens", {})
    head = [
        f"{described['name']}  {described['version']}",
        f"{described['digest']}",
        f"{described['trusted_because']}; "
        + ("provisional: " + described["provisional"] if described["provisional"] else "validated"),
    ]
    replies = ", ".join(report.get("replies", ())) or "no model was needed"
    parts = [
        "\n".join(head),
        section("specification", described["specification"].splitlines()),
        section("code (workflow.py)", described["source"].splitlines()),
        section("stages", stage_lines(report.get("stages", ()))),
        section("accuracy", accuracy_lines(report["accuracy"]) if report.get("accuracy") else ["not measured"]),
        section(
            "model",
            [
                f"attempts {report.get('attempts')}; replies: {replies}",
                f"models: {', '.join(report.get('models', ())) or '-'}",
                f"tokens in {tokens.get('input')}, out {tokens.get('output')} ({tokens.get('origin')})",
            ],
        ),
        section(
            "controls",
            [
                f"{each['pack']}.{each['control']}: {each['status']} ({each['source']})"
                for each in described["controls"]
            ],
        ),
        section("sinks", [f"{sink}: {how}" for sink, how in described["sinks"].items()]),
        section(
            "defaults taken",
            [f"{each['path']} = {each['value']}: {each['reason']}" for each in report.get("defaults", ())],
        ),
        section("environment", [f"{name} {version}" for name, version in described["environment"].items()]),
        section("environment differs", described["environment_differences"]),
    ]
    return "\n\n".join(part for part in parts if part)


def report_of(folder: Any) -> Description:
    value = parse_json((folder / "evidence" / "report.json").read_text("utf-8"))
    return value if isinstance(value, dict) else {}
