"""Members of a committee have names of their own; what a candidate binds itself keeps its name and its meaning."""

from __future__ import annotations

import pytest

from compiled_ai.assemble import assemble
from compiled_ai.canonical import canonical_json
from compiled_ai.catalog import load_catalog
from compiled_ai.committee import renamed
from compiled_ai.plan import make_plan
from compiled_ai.runtime.stepper import Done, load_program
from compiled_ai.runtime.supplied import decide
from compiled_ai.spec.loader import load_spec_text

SPEC = """\
metadata: {name: Count}
inputs: {text: text}
steps:
  - {step: read, type: function, description: Count the letters., schema: {count: integer}}
  - {step: read_2, type: function, description: Count them again., schema: {count: integer}}
outputs: [{name: once, from: read.count}, {name: twice, from: read_2.count}]
"""
PLAIN = """def read(text: str) -> Read:
    return Read(len(text))
"""
RECURSIVE = """def read(text: str) -> Read:
    read_1 = read_1_ = read_3 = text[1:]
    return Read(1 + read(read_1).count) if text and read_1_ == read_3 else Read(0)
"""
OWN_NAME_WITHIN = """def read(text: str) -> Read:
    def length(read: str) -> int:
        return len(read)

    return Read(sum(length(read=read) for read in text))
"""
OWN_NAME_AS_LOCAL = """def read(text: str) -> Read:
    read = len(text)
    return Read(read)
"""


@pytest.mark.parametrize("candidate", [RECURSIVE, OWN_NAME_WITHIN, OWN_NAME_AS_LOCAL])
def test_a_member_does_what_it_did_under_its_own_name(candidate: str) -> None:
    plan = make_plan(load_spec_text(SPEC, file="spec.yaml"), load_catalog())
    other = PLAIN.replace("read(", "read_2(").replace("Read", "Read2")
    assembled = assemble(
        plan.spec, plan.template.source, {"read": (PLAIN, candidate, candidate), "read_2": (other, other)}
    )
    names = [member.name for members in assembled.members.values() for member in members]
    assert len({"read", "read_2", *names}) == 2 + len(names)
    program = load_program({"workflow.py": assembled.source, "program.json": canonical_json(assembled.program)})
    end = decide(program, {"text": "abcd"})
    assert isinstance(end, Done) and end.output == {"once": 4, "twice": 4}


@pytest.mark.parametrize("candidate", [PLAIN, RECURSIVE, OWN_NAME_WITHIN, OWN_NAME_AS_LOCAL])
def test_a_name_that_is_given_can_be_taken_back(candidate: str) -> None:
    assert renamed(renamed(candidate, "read", "read_9"), "read_9", "read") == candidate
