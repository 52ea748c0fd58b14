"""Three scanners of others, each in its fast path and each fenced: a scanner that did not look has not passed.

| tool | fast path | fence |
|---|---|---|
| Bandit | its manager, in this process | a canary file that it must report; nothing skipped |
| Semgrep | the `osemgrep` core beside our own rule files | a canary rule must fire; both files scanned; no errors |
| detect-secrets | its plug-ins, line by line, in this process | a canary line that it must report |
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from compiled_ai.errors import StageUnavailable
from compiled_ai.records import Finding
from compiled_ai.sandbox import run_tool, tool_environment

RULES = Path(str(files("compiled_ai.validation") / "rules"))
"""Folder of our Semgrep rule files."""
SEMGREP_SECONDS = 30.0
_CANDIDATE, _CANARY = "candidate.py", "canary.py"
_lock = threading.Lock()
"""Bandit and detect-secrets keep global settings: one scan at a time."""

BANDIT_SKIPS = {
    "B101": "`assert` is allowed; optimisation is never switched on",
    "B105": "word lists and tokens of parsers look like passwords to it; the policy judges constants by name and form",
    "B106": "as B105",
    "B107": "as B105",
    "B110": "a narrow `except ...: pass` is a common way to say that something is absent",
    "B112": "as B110",
}
"""Bandit tests that are left out, and why."""


def bandit(source: str) -> list[Finding]:
    """Scans a text with Bandit. Raises `StageUnavailable` if it is missing, skips the text, or misses its canary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its plug-in loader is behind its own dependency
        try:
            from bandit.core.config import BanditConfig  # type: ignore[import-untyped]
            from bandit.core.manager import BanditManager  # type: ignore[import-untyped]
        except ImportError as fault:
            raise _missing("bandit") from fault
    with _lock, tempfile.TemporaryDirectory(prefix="compiled-ai-") as folder:
        paths = _write(Path(folder), source, "exec('1')\n")
        manager = BanditManager(
            BanditConfig(), "file", quiet=True, profile={"exclude": sorted(BANDIT_SKIPS)}, ignore_nosec=True
        )
        manager.discover_files([str(path) for path in paths])
        manager.run_tests()
        issues = list(manager.results)
        skipped = manager.get_skipped()
    if skipped:
        raise StageUnavailable(f"Bandit skipped the candidate: {skipped[0][1]}.")
    if not any(Path(issue.fname).name == _CANARY and issue.test_id == "B102" for issue in issues):
        raise StageUnavailable("Bandit did not see its canary.", remedy="Reinstall bandit.")
    return [_bandit_finding(issue) for issue in issues if Path(issue.fname).name == _CANDIDATE]


def _bandit_finding(issue: Any) -> Finding:
    return Finding(
        rule=f"bandit.{issue.test_id}",
        message=str(issue.text).strip(),
        line=issue.lineno,
        column=(issue.col_offset or 0) + 1,
        cwe=f"CWE-{issue.cwe.id}" if issue.cwe and issue.cwe.id else None,
        caught_by="bandit",
    )


def semgrep(source: str, rules: Path = RULES) -> list[Finding]:
    """Scans a text with Semgrep and our rules. Raises `StageUnavailable` if it cannot be trusted to have looked."""
    program = _osemgrep()
    with tempfile.TemporaryDirectory(prefix="compiled-ai-") as folder:
        _write(Path(folder), source, "compiled_ai_canary(1)\n")
        result = run_tool(
            [str(program), "scan", "--experimental", "--config", str(rules), "--metrics", "off", "--json", "--quiet",
             _CANDIDATE, _CANARY],
            timeout_seconds=SEMGREP_SECONDS,
            cwd=folder,
            env={**tool_environment(), "HOME": folder, "SEMGREP_SETTINGS_FILE": str(Path(folder) / "settings.yml")},
        )  # fmt: skip
    if result.timed_out or result.returncode not in (0, 1):
        state = "ran out of time" if result.timed_out else f"ended with code {result.returncode}"
        raise StageUnavailable(f"Semgrep {state}.", remedy="Run `compiled-ai doctor`.")
    return list(_semgrep_findings(_report(result.stdout)))


def _report(text: str) -> Mapping[str, Any]:
    try:
        report = json.loads(text)
    except ValueError as fault:
        raise StageUnavailable("Semgrep printed no report.", remedy="Run `compiled-ai doctor`.") from fault
    if report.get("errors"):
        raise StageUnavailable(f"Semgrep reports {len(report['errors'])} errors of its own.")
    scanned = {Path(path).name for path in report.get("paths", {}).get("scanned", ())}
    if not {_CANDIDATE, _CANARY} <= scanned:
        raise StageUnavailable(f"Semgrep scanned only {sorted(scanned)!r}.")
    if not any(_rule_id(found) == "canary" and found["path"] == _CANARY for found in report["results"]):
        raise StageUnavailable("Semgrep did not see its canary.", remedy="Reinstall semgrep and this package.")
    return dict(report)


def _semgrep_findings(report: Mapping[str, Any]) -> Iterator[Finding]:
    for found in report["results"]:
        if found["path"] == _CANDIDATE:
            yield Finding(
                rule=f"semgrep.{_rule_id(found)}",
                message=str(found["extra"]["message"]).strip(),
                line=found["start"]["line"],
                column=found["start"]["col"],
                cwe=found["extra"]["metadata"].get("cwe"),
                caught_by="semgrep",
            )


def _rule_id(found: Mapping[str, Any]) -> str:
    return str(found["check_id"]).rpartition(".")[2]


@lru_cache(maxsize=1)
def _osemgrep() -> Path:
    """Returns a link named `osemgrep` to the core in the semgrep package: under that name it is the fast scanner."""
    spec = importlib.util.find_spec("semgrep")
    places = list(spec.submodule_search_locations or ()) if spec else []
    core = next((path for place in places if (path := Path(place) / "bin" / "semgrep-core").is_file()), None)
    if core is None:
        raise _missing("semgrep")
    link = Path(_folder().name) / "osemgrep"
    if not link.is_symlink():
        link.symlink_to(core)
    return link


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="compiled-ai-semgrep-")


def secrets(source: str) -> list[Finding]:
    """Looks for keys and passwords with detect-secrets; nothing is verified over the network."""
    try:
        from detect_secrets.settings import transient_settings
    except ImportError as fault:
        raise _missing("detect-secrets") from fault
    canary = "key = 'AKIA" + "Z7QX" * 4 + "'"
    with _lock, transient_settings({"plugins_used": _PLUGINS, "filters_used": _FILTERS}):
        if not list(_secrets_of(canary)):
            raise StageUnavailable("detect-secrets did not see its canary.", remedy="Reinstall detect-secrets.")
        found = [(number, kind) for number, line in enumerate(source.splitlines(), 1) for kind in _secrets_of(line)]
    return [
        Finding(
            rule=f"secrets.{kind.lower().replace(' ', '_')}",
            message=f"Looks like a secret ({kind}); a connection's secret comes from outside.",
            line=number,
            cwe="CWE-798",
            caught_by="detect-secrets",
        )
        for number, kind in dict.fromkeys(found)
    ]


_PLUGINS = [
    {"name": f"{name}Detector"}
    for name in (
        "Artifactory", "AWSKey", "AzureStorageKey", "BasicAuth", "Cloudant", "DiscordBotToken", "GitHubToken",
        "GitLabToken", "IbmCloudIam", "IbmCosHmac", "JwtToken", "Mailchimp", "Npm", "OpenAI", "PrivateKey",
        "PypiToken", "SendGrid", "Slack", "Softlayer", "SquareOAuth", "Stripe", "TelegramBotToken", "TwilioKey",
    )
] + [{"name": "Base64HighEntropyString", "limit": 4.8}]  # fmt: skip
"""Detectors by form. Words beside constants are the policy's business; hex constants are too often ordinary."""
_FILTERS = [
    {"path": "detect_secrets.filters.heuristic.is_sequential_string"},
    {"path": "detect_secrets.filters.heuristic.is_templated_secret"},
]


def _secrets_of(line: str) -> Iterator[str]:
    from detect_secrets.core.scan import scan_line

    for secret in scan_line(line):
        entropy = secret.type == "Base64 High Entropy String"
        if not entropy or (f"'{secret.secret_value}'" in line or f'"{secret.secret_value}"' in line):
            yield secret.type


def _write(folder: Path, source: str, canary: str) -> list[Path]:
    paths = [folder / _CANDIDATE, folder / _CANARY]
    for path, text in zip(paths, (source, canary), strict=True):
        path.write_text(text, "utf-8")
    return paths


def _missing(tool: str) -> StageUnavailable:
    return StageUnavailable(f"{tool!r} is not installed.", remedy=f"Install it: `pip install {tool}`.")
