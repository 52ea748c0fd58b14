"""Running what we do not trust: tools on untrusted text, and untrusted code. The only user of `subprocess`.

`run_tool` runs a trusted program on untrusted text. `Sandbox` runs untrusted code: a warm process under bubblewrap
preloads the libraries and forks a child per job; the child drops to a system-call filter and resource limits before
it reads the code, answers input after input, and is never believed.

```python
with Sandbox(Limits(memory_mb=256)) as box:
    job = Call(source=source, function="classify", parameters=[FieldType("text")], result=result)
    outcomes = box.call_many(job, [["first text"], ["second text"]])
```
"""

from __future__ import annotations

from compiled_ai.sandbox.box import Advance, Call, Job, Limits, Measures, Outcome, Run, Sandbox, Status, type_checker
from compiled_ai.sandbox.launch import Level, sandbox_level, why_no_bubblewrap
from compiled_ai.sandbox.tools import ToolResult, run_tool, tool_environment
from compiled_ai.sandbox.variants import ELSEWHERE, HOME, Variant

__all__ = [
    "ELSEWHERE",
    "HOME",
    "Advance",
    "Call",
    "Job",
    "Level",
    "Limits",
    "Measures",
    "Outcome",
    "Run",
    "Sandbox",
    "Status",
    "ToolResult",
    "Variant",
    "run_tool",
    "sandbox_level",
    "tool_environment",
    "type_checker",
    "why_no_bubblewrap",
]
