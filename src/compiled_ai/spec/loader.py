"""From the text of a specification to a `WorkflowSpec`, or to every finding at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from compiled_ai.canonical import digest
from compiled_ai.errors import suggest
from compiled_ai.library.types import Field
from compiled_ai.records import Finding
from compiled_ai.spec.cases import CaseReader
from compiled_ai.spec.drafts import read_drafts
from compiled_ai.spec.findings import Findings, quote
from compiled_ai.spec.keys import CALL_MODULES, SPECIFICATION
from compiled_ai.spec.model import (
    Check,
    Connection,
    GoldenCase,
    Limits,
    Mark,
    Output,
    PackUse,
    Step,
    Table,
    Unfamiliar,
    WorkflowSpec,
)
from compiled_ai.spec.modules import installed_calls, known_modules
from compiled_ai.spec.names import Names, slug
from compiled_ai.spec.outputs import read_accuracy, read_adverse, read_outputs
from compiled_ai.spec.reach import Group, reach
from compiled_ai.spec.reading import Folder, Notes, mapping, number, scalar, scalars, text, whole
from compiled_ai.spec.rule_text import read_condition
from compiled_ai.spec.shapes import check_shape
from compiled_ai.spec.steps import Flow, read_steps, unknown_name
from compiled_ai.spec.types import TypeReader
from compiled_ai.spec.yaml_source import Entry, Fields, Items, Node, Scalar, compose, describe, plain_value, read_source

if TYPE_CHECKING:
    from compiled_ai.spec.reference_tables import TableSource

DEFAULT_VERSION = "0.1.0"


Against = Callable[[WorkflowSpec], Iterable[Finding]]
"""Says what else is wrong with a specification. It may be shown one with errors, of which only some steps are left."""


def load_spec(path: str | Path, *, against: Against | None = None) -> WorkflowSpec:
    """Reads a specification's file, and holds it `against` more, if that is given.

    Raises:
        SpecError: with every finding of the file as `details`, each located at file:line:column.
    """
    place = Path(path)
    source = read_source(place, file=str(path))
    return load_spec_text(source, file=str(path), folder=place.parent, against=against)


def load_spec_text(
    source: str, *, file: str = "specification.yaml", folder: Path | None = None, against: Against | None = None
) -> WorkflowSpec:
    """Reads a specification from text; files that it names lie relative to `folder`, without which it may name none.

    Raises:
        SpecError: as `load_spec`.
    """
    findings = Findings()
    tree = compose(source, file=file, findings=findings)
    check_shape(tree, SPECIFICATION, findings, path="")
    findings.settle()
    if not isinstance(tree, Fields):
        findings.raise_any()
        raise AssertionError(describe(tree))
    spec = _Loader(tree, source, file, folder, Notes(findings)).spec()
    if spec.packs:
        names = ", ".join(pack.name for pack in spec.packs)
        findings.promote("rules.null_untested", f"({names} makes this an error.)")
    if against is not None:
        findings.extend(against(spec))
    findings.raise_any()
    return spec


@dataclass
class _Loader:
    tree: Fields
    source: str
    file: str
    folder: Path | None
    notes: Notes

    def spec(self) -> WorkflowSpec:
        name = self._name()
        packs = self._packs()
        classes = Names()
        inputs = TypeReader(self.notes.findings, classes).fields(self.tree.get("inputs"), "Input")
        tables = self._tables(inputs)
        flow = self._flow(inputs, tables, packs, classes)
        steps = read_steps(flow)
        self._constants(tables, steps)
        complete = flow.complete
        outputs = read_outputs(self.tree.get("outputs"), flow.inputs, steps, self.notes, follows=flow.follows)
        cases = CaseReader(inputs, outputs, steps, self.notes.findings)
        metadata = mapping(self.tree, "metadata")
        cms = next((pack.mark for pack in packs if pack.name == "CMS_Decision_Timeframes"), None)
        adverse = metadata.get("adverse_outcomes") if metadata else None
        return WorkflowSpec(
            file=self.file,
            text=self.source,
            digest=digest(self.source),
            name=name,
            slug=slug(Path(self.file).stem),
            version=self._version(),
            description=text(metadata, "description") or "",
            packs=packs,
            reference=self._reference(inputs),
            data_basis=text(metadata, "data_basis"),
            inputs=inputs,
            steps=steps,
            outputs=outputs,
            tables=tuple(tables.values()),
            accuracy=read_accuracy(self.tree.get("accuracy"), outputs, steps, self.notes),
            examples=self._examples(cases),
            golden=self._golden(cases) if complete else (),
            properties=self._properties(flow, outputs),
            connections=self._connections(),
            template=text(self.tree, "template"),
            modules=self._modules(),
            limits=self._limits(),
            adverse_outcomes=read_adverse(adverse, steps, cms if complete else None, self.notes),
            defaults=tuple(self.notes.defaults),
            warnings=self.notes.findings.warnings,
        )

    # ------------------------------------------------------------ metadata

    def _name(self) -> str:
        written = text(mapping(self.tree, "metadata"), "name")
        if written is not None:
            return written
        stem = Path(self.file).stem
        self.notes.default("metadata.name", stem, "no name is written: the name of the file")
        return stem

    def _version(self) -> str:
        written = text(mapping(self.tree, "metadata"), "version")
        if written is None:
            self.notes.default("metadata.version", DEFAULT_VERSION, "no version is written")
        return written or DEFAULT_VERSION

    def _packs(self) -> tuple[PackUse, ...]:
        found: dict[str, PackUse] = {}
        for node in (mapping(self.tree, "metadata"), self.tree):
            listed = node.get("compliance") if node else None
            for item in listed.items if isinstance(listed, Items) else ():
                name = item if isinstance(item, Scalar) else scalar(item, "pack")
                if name is None:
                    continue
                if name.text in found:
                    message = f"Compliance pack {quote(name.text)} is listed twice. Remove one."
                    self.notes.findings.add("duplicate_name", message, name.mark)
                found.setdefault(name.text, PackUse(name.text, name.mark, _waivers(item)))
        return tuple(found.values())

    def _reference(self, inputs: tuple[Field, ...]) -> tuple[str, ...]:
        metadata = mapping(self.tree, "metadata")
        known = [field.name for field in inputs]
        for one in scalars(metadata.get("reference") if metadata else None):
            if one.text not in known:
                message = f"Reference {quote(one.text)} is no input.{suggest(one.text, known)}"
                self.notes.findings.add("unknown_field", message, one.mark)
        return tuple(one.text for one in scalars(metadata.get("reference") if metadata else None))

    # ------------------------------------------------------------ steps

    def _tables(self, inputs: tuple[Field, ...]) -> Mapping[str, Table]:
        node = mapping(self.tree, "tables")
        if node is None:
            return {}
        if self.folder is None:
            message = "A specification without a folder cannot name the files of tables. Give it a folder."
            self.notes.findings.add("table", message, node.mark)
            return {}
        from compiled_ai.spec.reference_tables import read_reference_table

        found: dict[str, Table] = {}
        for entry in node.entries:
            source = self._table_source(entry.key, entry.value)
            if any(field.name == entry.key.text for field in inputs):
                message = f"Table {quote(entry.key.text)} has the name of an input. Rename one of them."
                self.notes.findings.add("duplicate_name", message, entry.key.mark)
            if source is None:
                continue
            reading = read_reference_table(source, folder=self.folder)
            self.notes.findings.extend(reading.findings)
            if reading.table is not None:
                found[entry.key.text] = reading.table
        return found

    def _constants(self, tables: Mapping[str, Table], steps: Sequence[Step]) -> None:
        """Tables are constants of the assembled module: no two things in it may have one name."""
        taken = {f"{step.identifier.upper()}_ROWS": f"the rows of step {quote(step.name)}" for step in steps}
        taken |= {step.class_name: f"the result of step {quote(step.name)}" for step in steps}
        for table in tables.values():
            name = table.identifier.upper()
            if name in taken and table.mark is not None:
                message = f"Table {quote(table.name)} would be called {name}, like {taken[name]}. Rename the table."
                self.notes.findings.add("duplicate_name", message, table.mark)
            taken[name] = f"table {quote(table.name)}"

    def _table_source(self, name: Scalar, node: Node) -> TableSource | None:
        from compiled_ai.spec.reference_tables import TableSource

        file = text(node, "file")
        keys = tuple(one.text for one in scalars(node.get("keys") if isinstance(node, Fields) else None))
        if file is None or not keys:
            return None
        columns = TypeReader(self.notes.findings).fields(mapping(node, "columns"), "Column")
        return TableSource(
            name.text,
            file,
            keys,
            name.mark,
            sheet=text(node, "sheet"),
            range=text(node, "range"),
            columns={column.name: column.type for column in columns},
            effective_from=text(node, "effective_from"),
            effective_to=text(node, "effective_to"),
        )

    def _flow(
        self, inputs: tuple[Field, ...], tables: Mapping[str, Table], packs: tuple[PackUse, ...], classes: Names
    ) -> Flow:
        key = "steps" if self.tree.get("steps") is not None else "logic_requirements"
        drafts = read_drafts(self.tree.get(key), key, inputs, self.notes, classes)
        written = self.tree.get(key)
        items = written.items if isinstance(written, Items) else ()
        return Flow(
            Group("inputs", inputs),
            drafts,
            tables,
            tuple(pack.name for pack in packs),
            self.notes,
            Folder(self.folder, self._shown),
            nameless=tuple(item for item in items if not any(item is draft.node for draft in drafts)),
            lost_tables=tuple(
                entry.key.text for entry in _entries(self.tree.get("tables")) if entry.key.text not in tables
            ),
        )

    def _properties(self, flow: Flow, outputs: tuple[Output, ...]) -> tuple[Check, ...]:
        sight = reach([flow.inputs, Group("outputs", tuple(output.field for output in outputs))])
        sure = flow.complete and len(outputs) >= _count(self.tree.get("outputs"))
        checks: list[Check] = []
        for source in scalars(self.tree.get("properties")):
            reading = read_condition(source, sight, flow.tables, None)
            flow.note(one for one in reading.findings if sure or unknown_name(one) is None)
            if reading.check is not None:
                checks.append(reading.check)
        return tuple(checks)

    # ------------------------------------------------------------ cases

    def _examples(self, cases: CaseReader) -> tuple[GoldenCase, ...]:
        node = self.tree.get("examples")
        return cases.from_list(node, "example") if isinstance(node, Items) else ()

    def _golden(self, cases: CaseReader) -> tuple[GoldenCase, ...]:
        node = self.tree.get("golden")
        if isinstance(node, Items):
            return cases.from_list(node, "case")
        if isinstance(node, Scalar):
            return self._golden_file(cases, node)
        if self.folder is None:
            return ()
        beside = f"{Path(self.file).stem}/golden.jsonl"
        if not (self.folder / beside).is_file():
            return ()
        self.notes.default("golden", beside, "no 'golden' is written, and this file lies beside the specification")
        return cases.from_file(self.folder / beside, self._shown(beside))

    def _golden_file(self, cases: CaseReader, node: Scalar) -> tuple[GoldenCase, ...]:
        if self.folder is None:
            message = "A specification without a folder cannot name a golden file. Write the cases as a list."
            self.notes.findings.add("golden", message, node.mark)
            return ()
        path = self.folder / node.text
        if not path.is_file():
            message = f"There is no golden file {quote(node.text)} beside the specification. Correct its path."
            self.notes.findings.add("golden", message, node.mark)
            return ()
        return cases.from_file(path, self._shown(node.text))

    def _shown(self, relative: str) -> str:
        """Returns a file's name as messages show it: as the specification's own was given."""
        return str(Path(self.file).parent / relative)

    # ------------------------------------------------------------ the rest

    def _connections(self) -> tuple[Connection, ...]:
        found: list[Connection] = []
        for entry in _entries(self.tree.get("connections")):
            module, allow = text(entry.value, "module"), mapping(entry.value, "allow")
            if module not in (*CALL_MODULES, *installed_calls()) or allow is None:
                found.append(Connection(entry.key.text, "", {}, entry.key.mark))  # so that nobody calls it undeclared
            else:
                marks = dict(_allow_marks(allow))
                found.append(Connection(entry.key.text, module, plain_value(allow), entry.key.mark, marks))
        return tuple(found)

    def _modules(self) -> tuple[str, ...]:
        known = known_modules()
        for one in scalars(self.tree.get("modules")):
            if one.text not in known:
                message = f"Unknown module {quote(one.text)}.{suggest(one.text, known, show=20)}"
                self.notes.findings.add("choice", message, one.mark)
        return tuple(dict.fromkeys(one.text for one in scalars(self.tree.get("modules"))))

    def _limits(self) -> Limits:
        node = mapping(self.tree, "limits")
        usual = Limits()
        counts = ("candidates", "committee", "function_lines", "memory_mb", "cpu_seconds")
        limits = replace(
            usual,
            **{key: whole(node, key, getattr(usual, key)) for key in counts},
            target=number(node, "target"),
            confidence=number(node, "confidence") or usual.confidence,
            unfamiliar=cast("Unfamiliar", text(node, "unfamiliar") or usual.unfamiliar),
        )
        left = [key for key in Limits.__dataclass_fields__ if node is None or node.get(key) is None]
        if left:
            shown = ", ".join(f"{key} {'none' if (value := getattr(limits, key)) is None else value}" for key in left)
            self.notes.default("limits", shown, "limits that are not written are the usual ones")
        return limits


def _entries(node: Node | None) -> tuple[Entry, ...]:
    return node.entries if isinstance(node, Fields) else ()


def _count(node: Node | None) -> int:
    return len(node.items) if isinstance(node, Items) else len(_entries(node))


def _allow_marks(allow: Fields) -> Iterator[tuple[str, Mark]]:
    for entry in allow.entries:
        yield entry.key.text, entry.key.mark
        for index, item in enumerate(entry.value.items if isinstance(entry.value, Items) else ()):
            yield f"{entry.key.text}[{index}]", item.mark


def _waivers(item: Node) -> dict[str, dict[str, str]]:
    waive = mapping(item, "waive")
    return {
        entry.key.text: {key: text(entry.value, key) or "" for key in ("by", "reason")}
        for entry in (waive.entries if waive else ())
    }
