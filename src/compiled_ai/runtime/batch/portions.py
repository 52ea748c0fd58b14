"""A batch in portions, which many machines do apart, on files that all of them reach; then they are joined in order.

| file | is |
|---|---|
| OUT.checkpoint | what the batch is, from the order on; the ids of all its runs are derived from it |
| OUT.parts/index.jsonl | where in the input each portion lies, and its digest |
| OUT.parts/records.jsonl | the rows of a table or a query, read once |
| OUT.parts/NUMBER.jsonl.part, NUMBER.dead.jsonl.part, NUMBER.jsonl.checkpoint | a portion, written as a batch is |

Every part may be done again at any time, by another process and after a crash: what is whole is not done again, what
was begun goes on after its last checkpoint, and the runs of what is done twice are the same runs.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from compiled_ai.canonical import canonical_json, parse_json
from compiled_ai.errors import NotFound, UsageError
from compiled_ai.runtime.batch import Batch, Progress, unfinished
from compiled_ai.runtime.batch.checkpoint import Checkpoint, CheckpointFile
from compiled_ai.runtime.batch.journal import Journal, letters_of, part_of, sync_folder
from compiled_ai.runtime.batch.running import Feed, Pass, give_names, size_of
from compiled_ai.runtime.batch.sources import JsonLines, Mark, Source, Stretch, changed, open_source
from compiled_ai.runtime.stepper import Program

PORTION_RECORDS = 5_000
PORTION_WITH_EFFECTS = 100
"""Records of a portion whose runs ask something of the outside: each takes longer."""
PORTION_BYTES = 8 << 20
SECONDS_BETWEEN_CHECKPOINTS = 1.0
_BLOCK = 1 << 20
_CONTEXT = "batch index"


@dataclass(frozen=True, slots=True)
class Span:
    """Where a portion lies in the input."""

    first: int
    """Index of its first record."""
    start: int
    """Its first byte."""
    mark: Mark
    """Its own records, bytes and digest."""


def order(batch: Batch, *, resume: bool = False) -> str:
    """Puts on disk what the batch is; returns the id that the ids of its runs begin with.

    Raises:
        UsageError: There is another batch to this output, or the artifact's pack allows no checkpoints.
        NotFound: There is none to go on with.
    """
    if not batch.file.allowed:
        raise UsageError(
            "A compliance pack of the artifact allows no checkpoints, and a batch in portions is made of them.",
            remedy="Use `compiled-ai batch` on one machine.",
        )
    found = batch.file.read()
    if found is None:
        if resume:
            raise NotFound(
                f"There is no batch in portions to {str(batch.target)!r} to go on with.",
                remedy="Leave out --resume; lines that waited are filled in by `compiled-ai batch ... --resume`.",
            )
        return _begin(batch)
    if not resume:
        raise unfinished(batch.target)
    batch.check(found)
    if found.counts or found.base is not None:
        raise UsageError(
            f"The batch to {str(batch.target)!r} was begun on one machine.",
            remedy="Go on with it by `compiled-ai batch ... --resume`.",
        )
    return found.batch


def _begin(batch: Batch) -> str:
    for left in (parts_of(batch.target), part_of(batch.target)):
        if left.exists():
            raise UsageError(
                f"{str(left)!r} is left of another batch, and nothing says of which.",
                remedy="Restore its checkpoint, or delete it.",
            )
    fresh = batch.first_checkpoint()
    batch.file.commit(fresh)
    return fresh.batch


def parts_of(target: Path) -> Path:
    """The folder of a batch's portions."""
    return target.with_name(f"{target.name}.parts")


class Portions:
    """What can be done of a batch that was ordered.

    Args:
        batch: Prepared, with the crew's size.
        naming: What `order` returned.
    """

    def __init__(self, batch: Batch, naming: str) -> None:
        self.batch = batch
        self._naming = naming
        self.folder = parts_of(batch.target)
        self._index = self.folder / "index.jsonl"
        self._spool = self.folder / "records.jsonl"

    # ------------------------------------------------------------ cut

    def cut(self, report: Progress | None = None) -> Sequence[Span]:
        """Finds where each portion lies, once; reports how many records were looked at."""
        if not self._index.exists():
            self.folder.mkdir(exist_ok=True)
            with closing(self.batch.source if self.batch.source.has_stretches else self._spooled()) as source:
                self._write_index(list(_spans(source, _portion_records(self.batch.program), report)))
        return self._read_index()

    def _spooled(self) -> JsonLines:
        """The rows of a table as a file: they are read once, so that all portions see the same."""
        if self.batch.program.sinks.get("checkpoints", "clear") != "clear":
            raise UsageError(
                f"The records of {self.batch.source.name!r} would lie in the clear beside the output, and a "
                "compliance pack protects checkpoints.",
                remedy="Give the batch a file of JSONL or CSV, or use `compiled-ai batch` on one machine.",
            )
        aside = part_of(self._spool)
        columns = self.batch.columns
        with aside.open("wb") as file:
            for record in self.batch.source.read(Mark(), [*columns.inputs.values(), *columns.keep]):
                file.write((record if isinstance(record, bytes) else b"?") + b"\n")
        aside.replace(self._spool)
        return JsonLines(self._spool)

    def _write_index(self, spans: Sequence[Span]) -> None:
        text = "".join(canonical_json(asdict(span)) + "\n" for span in spans).encode()
        if self.batch.program.sinks.get("checkpoints", "clear") == "encrypted":
            assert self.batch.form.keys is not None
            text = self.batch.form.keys.seal(text, context=_CONTEXT)
        aside = part_of(self._index)
        aside.write_bytes(text)
        aside.replace(self._index)
        sync_folder(self.folder)

    def _read_index(self) -> list[Span]:
        text = self._index.read_bytes()
        if self.batch.program.sinks.get("checkpoints", "clear") == "encrypted":
            assert self.batch.form.keys is not None
            text = self.batch.form.keys.open(text, context=_CONTEXT)
        lines = map(parse_json, text.splitlines())
        return [Span(line["first"], line["start"], Mark(**line["mark"])) for line in lines]

    # ------------------------------------------------------------ one portion

    def do(self, number: int, report: Progress | None = None) -> dict[str, int]:
        """Does a portion, or what is missing of it; returns how many of its lines ended how.

        Raises `UsageError` if the input has changed.
        """
        span, target = self._read_index()[number], self._target(number)
        file = self._checkpoint_of(number)
        with ExitStack() as opened:
            out = opened.enter_context(closing(Journal(target, keep=True)))
            at = file.read() or replace(self.batch.first_checkpoint(), batch=self._naming)
            if at.whole:
                return _some(at.counts)
            source = opened.enter_context(closing(self._source(span)))
            _verify(source, span)
            letters = opened.enter_context(closing(Journal(letters_of(target), keep=False, private=True)))
            out.cut(at.output)
            letters.cut(at.letters)
            going = Pass(
                out=out,
                letters=letters,
                file=file,
                at=at,
                most_errors=None,
                seconds_between=SECONDS_BETWEEN_CHECKPOINTS,
                report=report,
            )
            feed = Feed(source, source.read(at.read, None), iter(()), span.first + going.lines)
            going.write(feed, self.batch.crew().pieces(feed, self._naming, letters.part))
            return _some(going.counts)

    def _target(self, number: int) -> Path:
        return self.folder / f"{number:08d}.jsonl"

    def _checkpoint_of(self, number: int) -> CheckpointFile:
        sink = self.batch.program.sinks.get("checkpoints", "clear")
        return CheckpointFile(self._target(number), sink, self.batch.form.keys)

    def _source(self, span: Span) -> Source:
        stretch = Stretch(span.start, span.mark.bytes)
        if self.batch.source.has_stretches:
            return open_source(self.batch.source.name, stretch)
        return JsonLines(self._spool, stretch)

    # ------------------------------------------------------------ join

    def join(self) -> None:
        """Makes the output of the portions, gives it its name and clears away; may be done again."""
        begun = self.batch.file.read()
        if begun is not None and not begun.whole:
            self._join(begun)
        self.batch.end_whole()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _join(self, begun: Checkpoint) -> None:
        counts: Counter[str] = Counter()
        with ExitStack() as opened:
            out = opened.enter_context(closing(Journal(self.batch.target, keep=True)))
            letters = opened.enter_context(closing(Journal(self.batch.letters, keep=False, private=True)))
            out.cut(Mark())
            letters.cut(Mark())
            for number in range(len(self._read_index())):
                at = self._checkpoint_of(number).read()
                if at is None or not at.whole:
                    raise NotFound(f"Portion {number} of the batch is not done.", remedy="Go on with --resume.")
                _append(out, part_of(self._target(number)), at.output)
                _append(letters, part_of(letters_of(self._target(number))), at.letters)
                counts.update(at.counts)
            out.sync()
            letters.sync()
            whole = replace(begun, output=out.place(), letters=letters.place(), counts=dict(counts), whole=True)
            self.batch.file.commit(whole)
            give_names(out, letters, self.batch.file)


def _portion_records(program: Program) -> int:
    effects = any(info.kind in ("bounded", "call") for info in program.steps.values())
    return PORTION_WITH_EFFECTS if effects else PORTION_RECORDS


def _spans(source: Source, most: int, report: Progress | None) -> Iterator[Span]:
    first = start = size = 0
    for record in source.read(Mark(), None):
        size += size_of(record)
        if source.tally.records >= most or size > PORTION_BYTES:
            mark, size = source.tally.cut(), 0
            yield Span(first, start, mark)
            first, start = first + mark.records, start + mark.bytes
            if report:
                report(first, None)
    mark = source.tally.cut()
    if mark.records:
        yield Span(first, start, mark)


def _verify(source: Source, span: Span) -> None:
    """Sees that a portion of the input is what it was; `UsageError` if not."""
    digest = hashlib.sha256()
    with Path(source.name).open("rb") as file:
        file.seek(span.start)
        left = span.mark.bytes
        while left and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    if left or digest.hexdigest() != span.mark.sha256:
        raise changed(source.name)


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: count for status, count in counts.items() if count}


def _append(journal: Journal, path: Path, mark: Mark) -> None:
    digest, left = hashlib.sha256(), mark.bytes
    with path.open("rb") as file:
        while left and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            journal.write(block)
            left -= len(block)
    if left or digest.hexdigest() != mark.sha256:
        raise UsageError(
            f"{str(path)!r} was damaged or altered.", remedy="Delete it and its .checkpoint, and go on with --resume."
        )


__all__ = ["Portions", "Span", "order", "parts_of"]
