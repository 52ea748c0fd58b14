"""The commented specification that `init` writes: rules only, so that it compiles without a model."""

from __future__ import annotations

import json

_STARTER = """\
# A specification says what goes in, which steps decide, and what comes out.
# 'compiled-ai check FILE' reports every error with its place; 'compiled-ai compile FILE' makes an artifact.

metadata:
  name: @NAME@
  version: 0.1.0
  description: Decides what happens to a claim by its amount and its age.
  reference: [claim_id]            # inputs by which a run is found again
  # compliance: [HIPAA]            # packs add checks: HIPAA, PCI_DSS, SOC2, CMS_Decision_Timeframes, GDPR

# What a run is given. Every field is required unless its type ends in '?'.
# Types: text, string, integer, decimal, money, float, boolean, date, time, datetime, list[...], and objects.
inputs:
  claim_id: string
  amount: money
  received: date
  submitted: date
  priority: {type: string, enum: [normal, urgent], optional: true}

steps:
  # A rule needs no model: it is compiled as it stands. Lines compute fields that later lines and steps use.
  - step: age
    type: deterministic_rule
    logic: |
      late = submitted < received

  # Words that are no field (PAY, REVIEW, RETURN) form the enumeration of the field 'outcome'.
  - step: route
    type: deterministic_rule
    logic: |
      IF late THEN RETURN BECAUSE "submitted before it was received"
      ELSE IF priority IS NOT NULL AND priority = "urgent" THEN REVIEW BECAUSE "urgent claims are read by a person"
      ELSE IF amount > 1000 THEN REVIEW BECAUSE "more than 1000"
      ELSE PAY

  # Prose is for what no rule can say; a model writes the function once, when you compile:
  # - step: read_letter
  #   type: function
  #   description: Find the claim number and the total in the letter.
  #   schema: {claim_number: "string?", total: "money?"}

# What comes out; without this key it would be the fields of the last step.
outputs: [claim_id, outcome, reason]

# Conditions that every run must satisfy.
properties:
  - outcome != "PAY" OR amount <= 1000

# Cases that a candidate must get right. Many cases belong into a file: 'golden: cases.jsonl'.
golden:
  - id: small claim
    input: {claim_id: C-1, amount: 120.50, received: 2026-03-02, submitted: 2026-03-05}
    expected: {outcome: PAY}
  - id: large claim
    input: {claim_id: C-2, amount: 4000, received: 2026-03-02, submitted: 2026-03-05}
    expected: {outcome: REVIEW, reason: more than 1000}
  - id: urgent claim
    input: {claim_id: C-3, amount: 80, received: 2026-03-02, submitted: 2026-03-05, priority: urgent}
    expected: {outcome: REVIEW}
  - id: impossible dates
    input: {claim_id: C-4, amount: 80, received: 2026-03-05, submitted: 2026-03-02}
    expected: {outcome: RETURN}
"""


def starter_text(name: str = "Claim routing") -> str:
    """Returns a commented specification with this name; it loads and compiles without a model."""
    return _STARTER.replace("@NAME@", json.dumps(name, ensure_ascii=False))
