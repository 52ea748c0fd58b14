"""HTML as a browser would lay it out, without scripts, styles and hidden parts."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

from inscriptis import Inscriptis  # type: ignore[import-untyped]
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
from lxml import html  # type: ignore[import-untyped]

from compiled_ai.reading.pages import ReadLimits, ReadPage, Unreadable, tidy
from compiled_ai.reading.plain import decoded

_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def read(content: bytes, _: ReadLimits, __: str) -> tuple[str, list[ReadPage], list[str]]:
    """Returns one page of text."""
    text, warnings = _decoded(content)
    tree = _tree(_DECLARATION.sub("", text))
    laid_out = Inscriptis(tree, ParserConfig(display_links=False, display_images=False)).get_text()
    page = tidy(laid_out.split("\n"))
    if not page:
        warnings.append("it shows no text (a script may be meant to write it)")
    return f"inscriptis {version('inscriptis')}", [ReadPage(page)], warnings


def _tree(text: str) -> Any:
    """Parses HTML; what is nested too deeply would be left out in silence, and is refused instead."""
    parser = html.HTMLParser()
    tree = html.document_fromstring(text, parser=parser)
    if any(fault.type_name == "ERR_RESOURCE_LIMIT" for fault in parser.error_log):
        raise Unreadable("is nested too deeply.", "Save what a browser shows of it.")
    return tree


def _decoded(content: bytes) -> tuple[str, list[str]]:
    declared = _CHARSET.search(content[:4096])
    try:
        return content.decode(declared[1].decode("ascii") if declared else "utf-8-sig"), []
    except (UnicodeDecodeError, LookupError):
        return decoded(content)
