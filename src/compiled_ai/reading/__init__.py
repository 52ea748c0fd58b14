"""From a person's files to the text that an artifact sees: PDF, HTML, DOCX, XLSX, plain text, images.

Every file is taken for hostile. It is opened under a declared root, in a process of its own with limits of memory,
time and size, and what comes back is either a clean text or one clear error.

| format | read by | text |
|---|---|---|
| PDF | pypdf | its layout kept, pages ended by a form feed, as `pdftotext -layout` does |
| HTML | inscriptis | as a browser would lay it out; scripts, styles and hidden parts are dropped |
| DOCX | python-docx | paragraphs, and tables as columns |
| XLSX | openpyxl | each sheet as columns |
| image | Tesseract | words where they stand |
| plain | here | as it is |
"""

from __future__ import annotations

from compiled_ai.reading.document import read_document
from compiled_ai.reading.pages import Format, ReadLimits, ReadPage, ReadText

__all__ = ["Format", "ReadLimits", "ReadPage", "ReadText", "read_document"]
