"""`review list` and `review show` as a reviewer of claims reads them."""

from __future__ import annotations

import json

from cli_support import Home

SPEC = """\
metadata: {name: Loans, adverse_outcomes: [DENY]}
compliance: [CMS_Decision_Timeframes]
inputs: {amount: money, note: text}
steps:
  - step: decide
    type: deterministic_rule
    logic: IF amount > 1000 THEN DENY BECAUSE "too much" ELSE PAY
"""


def test_a_review_is_shown_in_words_and_as_json(home: Home) -> None:
    (home.folder / "loans.yaml").write_text(SPEC, "utf-8")
    home.compiled("loans.yaml")
    given = json.dumps({"amount": "2000.50", "note": "first line\nsecond line"})
    assert home("run", "loans", "--input", given).code == 3
    listed = home("review", "list").out.splitlines()
    assert listed[0].split() == ["review", "workflow", "step", "opened", "proposed", "reason"]
    assert "outcome: DENY, reason: too much  CMS_Decision_Timeframes: no denial is final" in listed[1]
    review = listed[1].split()[0]
    page = home("review", "show", review).out
    for shown in (
        f"review {review}  open\n",
        "reason: CMS_Decision_Timeframes: no denial is final without a review\n",
        "proposed:\n  outcome: DENY\n  reason: too much\n",
        "input:\n  amount: 2000.50\n  note:\n    first line\n    second line\n",
        "an answer has:\n  outcome: one of DENY, PAY\n  reason: text\n",
        f"compiled-ai review decide {review} --approve\n",
        f"""compiled-ai review decide {review} --correct '{{"outcome":"DENY","reason":"too much"}}'\n""",
        f"compiled-ai review decide {review} --reject\n",
    ):
        assert shown in page, page
    told = home("review", "show", review, "--json").json
    assert told["answer"]["fields"][0]["type"] == {"kind": "string", "enum": ["DENY", "PAY"]}
    assert told["proposed"] == {"outcome": "DENY", "reason": "too much"}
    decided = home("review", "decide", review, "--approve", "--by", "Ana", "--reason", "read it")
    assert decided.code == 0, decided.err
    assert "decide it" not in home("review", "show", review).out
