"""The run store: the audit trail, and the one place where runs, effects and reviews are kept.

```python
with RunStore.open("sqlite:///runs.db", home=home, durability="process") as store:
    run_id = store.save(record, Protection.from_sinks(program.sinks))   # a whole run, one transaction
    store.load(run_id[:8]).output
```

| to | call |
|---|---|
| name a run, a time | `new_run_id()`, `now_text()` |
| ask before the first effect whether keys are there | `require(protection)` |
| store a run whose effects need no crash safety | `save(record, protection, once=False)`, `save_many`, `group(n)` |
| store the same work again after a crash | `form(...)`, `prepare(record)`, `save_prepared(runs)`, `stored(ids)` |
| share it with own processes | `address.open()`, `close_chains_of(process)` |
| store a run step by step | `start`; `intend` -> `Intent`; `effect` -> the effect that counts; `finish` |
| read | `load` (checks the chain), `summary`, `list`, `find` (business key), `once` (same reference and artifact) |
| go on after a crash | `incomplete()`, `unresolved(run_id)` |
| ask a person | `open_review(run_id, step=, ...)`, `reviews`, `review`, `decide(review_id, decision)` |
| keep and prove | `purge`, `rotate`, `verify(anchor)`, `export_anchor`, `chains` |

A decision becomes the effect `(step, "review", item, attempt)` of its run by itself: its request is
`{"problems", "proposed", "reason"}`, its result the decision as JSON, its origin who decided.

A part of a record that a sink withholds (`masked`, `forbidden`) is read back as `{"withheld": LEVEL, ...}`.

**What is kept.** Events are append-only; each names the hash of the one before in its writer's chain (one chain for
each open store that writes, begun by `opened` and ended by `closed`) and of the one before in its run. Plain runs of
a batch share their first event with the others of their group (`groups`). Hashes are
keyed with a secret of the store, which a master key (or the home's local key) wraps, and cover a commitment to the
payload. Payloads lie apart, sealed with a key of their run where the run's protection says so. All other tables
only serve to find things fast, and `verify` derives them anew from the events.

**What durable means** is said in `dialects`.
"""

from compiled_ai.runtime.ids import new_run_id
from compiled_ai.runtime.store.anchors import Anchor
from compiled_ai.runtime.store.dialects import Durability
from compiled_ai.runtime.store.effecting import Incomplete, Intent
from compiled_ai.runtime.store.groups import CompletedRun, RunForm
from compiled_ai.runtime.store.payloads import CLEAR, Level, Protection
from compiled_ai.runtime.store.reviewing import Review
from compiled_ai.runtime.store.runs import Prepared, RunLike, RunSummary
from compiled_ai.runtime.store.store import RunStore, StoreAddress
from compiled_ai.runtime.store.times import now_text
from compiled_ai.runtime.store.verifying import ChainState, StoreFinding, VerifyReport

__all__ = [
    "CLEAR",
    "Anchor",
    "ChainState",
    "CompletedRun",
    "Durability",
    "Incomplete",
    "Intent",
    "Level",
    "Prepared",
    "Protection",
    "Review",
    "RunForm",
    "RunLike",
    "RunStore",
    "StoreAddress",
    "RunSummary",
    "StoreFinding",
    "VerifyReport",
    "new_run_id",
    "now_text",
]
