"""HTML as a browser would lay it out, without scripts, styles and hidden parts."""

from __future__ import annotations

import re
from importlib.metadata import version

from inscriptis import get_text
from inscriptis.model.config import ParserConfig

from compiled_ai.reading.pages import ReadLimits, ReadPage, tidy
from compiled_ai.reading.plain import decoded

_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def read(content: bytes, _: ReadLimits, __: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns one page of text."""
    text, warnings = _decoded(content)
    laid_out = get_text(_DECLARATION.sub("", text), ParserConfig(display_links=False, display_images=False))
    page = tidy(laid_out.split("\n"))
    if not page:
        warnings.append("it shows no text (a script may be meant to write it)")
    return f"inscriptis {version('inscriptis')}", [ReadPage(page)], warnings


def _decoded(content: bytes) -> tuple[str, list[str]]:
    declared = _CHARSET.search(content[:4096])
    try:
        return content.decode(declared[1].decode("ascii") if declared else "utf-8-sig"), []
    except (UnicodeDecodeError, LookupError):
        return decoded(content)
