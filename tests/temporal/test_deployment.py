"""The files under `deploy/` hold together: with each other, with the code, and with what each format demands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_support import ROOT, environment

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
DOCUMENTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "worker.yaml").read_text("utf-8")))
SOURCES = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))


def _pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for document in DOCUMENTS:
        spec = document["spec"]
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield document["kind"], template


def test_every_document_names_its_kind_and_itself() -> None:
    assert [(each["apiVersion"], each["kind"]) for each in DOCUMENTS] == [
        ("apps/v1", "Deployment"),
        ("policy/v1", "PodDisruptionBudget"),
        ("batch/v1", "CronJob"),
    ]
    assert all(re.fullmatch(r"[a-z][a-z-]{1,62}", each["metadata"]["name"]) for each in DOCUMENTS)


def test_selectors_find_the_pods_that_they_are_for() -> None:
    deployment, budget = DOCUMENTS[:2]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"], budget["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("kind, template", list(_pods()), ids=lambda value: value if isinstance(value, str) else "")
def test_pods_have_few_rights_stated_needs_and_no_secret_in_the_clear(kind: str, template: dict[str, Any]) -> None:
    spec = template["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    [container] = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"requests", "limits"} <= container["resources"].keys()
    for variable in container["env"]:
        secret = variable["name"] in ("COMPILED_AI_KEY", "COMPILED_AI_STORE")
        assert ("valueFrom" in variable) == secret, variable["name"]


def test_the_grace_period_is_longer_than_the_drain() -> None:
    spec = DOCUMENTS[0]["spec"]["template"]["spec"]
    arguments = spec["containers"][0]["args"]
    assert spec["terminationGracePeriodSeconds"] >= float(arguments[arguments.index("--drain") + 1]) + 10
    drain = re.search(r'"--drain", "(\d+)"', (DEPLOY / "Dockerfile").read_text("utf-8"))
    assert drain is not None
    assert COMPOSE["services"]["worker"]["stop_grace_period"] == f"{int(drain[1]) + 10}s"


def test_probes_ask_the_port_that_serves_metrics() -> None:
    container = DOCUMENTS[0]["spec"]["template"]["spec"]["containers"][0]
    [port] = container["ports"]
    assert f"prometheus:0.0.0.0:{port['containerPort']}" in container["args"]
    assert {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} == {port["name"]}
    assert f"EXPOSE {port['containerPort']}" in (DEPLOY / "Dockerfile").read_text("utf-8")


def test_compose_refers_only_to_what_it_declares() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        for other, how in (service.get("depends_on") or {}).items():
            assert other in services, name
            assert how["condition"] != "service_healthy" or "healthcheck" in services[other]
        for secret in service.get("secrets", ()):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        for variable, value in service.get("environment", {}).items():
            if str(value).startswith("/run/secrets/"):
                assert str(value).removeprefix("/run/secrets/") in COMPOSE["secrets"], variable


def test_no_image_is_left_to_chance() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [container["image"] for _, template in _pods() for container in template["spec"]["containers"]]
    images += re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert images
    for image in images:
        assert re.search(r":\d[\w.-]*\d", image), image


def test_every_variable_and_option_is_one_that_the_code_knows(tmp_path: Path) -> None:
    text = "\n".join(path.read_text("utf-8") for path in DEPLOY.rglob("*") if path.is_file())
    for variable in set(re.findall(r"COMPILED_AI_[A-Z_]+", text)):
        assert f'"{variable}"' in SOURCES, variable
    done = subprocess.run(
        [sys.executable, "-c", "from compiled_ai.cli import main; main()", "worker", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment(tmp_path), "COLUMNS": "200"},
    )
    containers = [container for _, pod in _pods() for container in pod["spec"]["containers"]]
    given = [each for container in containers if "worker" in container["args"] for each in container["args"]]
    for option in [each for each in given if each.startswith("--")]:
        assert option in done.stdout, option


def test_the_dockerfile_copies_what_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert "USER 10001" in text
    assert not re.search(r"(?i)\b(password|secret|token)\s*=", text)
