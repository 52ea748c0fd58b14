"""Running what we do not trust: tools on untrusted text, and untrusted code. The only user of `subprocess`."""

from __future__ import annotations

from compiled_ai.sandbox.tools import ToolResult, run_tool

__all__ = ["ToolResult", "run_tool"]
