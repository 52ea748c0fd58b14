"""The analysis of regular expressions, against patterns that are known to be bad or good."""

from __future__ import annotations

import re
import time

import pytest

from compiled_ai.gates.regex import regex_problem

EXPONENTIAL = (
    r"^(a+)+$",
    r"(a|a)*b",
    r"(a*)*b",
    r"(.*)*x",
    r"^(\w+\s?)*$",
    r"(x+x+)+y",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(a|aa)+$",
    r"(a|a?)+$",
    r"^(\d+)*$",
    r"(\s*\w+\s*)+:",
    r"^(?:[^,]*,?)*;$",
    r"([a-z]+)*=",
    r"((a{0,50}){0,50})b",
    r"(?=(a+)+$)b",
    r"(.+)+\"",
    r"(\w+\d+)*!",
    r"(?:\w*\.?\w*)*@",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    r"^(.*?,){11}P",
    r"(a(b?|c?))*d",
)
POLYNOMIAL = (r".*.*=", r"\w+\w+$", r"^0\.\d+E?\d+$", r"\d*\d*x")
HARMLESS = (
    r"\s*total\s*:?\s*\$?\s*([\d,]+\.?\d*)",
    r"^\s+|\s+$",
    r"^\$?[\d,]+\.?\d*$",
    r"(\d+\.?\d*)\s*(kg|lb)",
    r"([A-Z][a-z]+(?:\s[A-Z][a-z]+)*)",
    r"from (.+) to (.+) on (.+)",
    r"^[\w.+-]+@[\w-]+\.[\w.-]+$",
    r"\b\d{1,2}/\d{1,2}/\d{2,4}\b",
    r"\"(?:[^\"\\]|\\.)*\"",
    r"(?:\w+\s?)+",
    r"^(.*?),(.*?),(.*?)$",
    r"(?i)invoice\s*(?:no|number|#)?\.?\s*:?\s*([A-Z0-9-]+)",
    r"(\d{1,3}(?:,\d{3})*(?:\.\d+)?)",
    r"^(?=.*\d)(?=.*[a-z]).{8,}$",
    r"(?s)```(?:json)?\s*(.*?)\s*```",
    r"^\w+([-+.']\w+)*@\w+([-.]\w+)*\.\w+([-.]\w+)*$",
    r"(\w+).*total",
    r"(?P<year>\d{4})-(?P<month>\d\d)(?(year)-|/)\d\d",
    r"(['\"])(.*?)\1",
)


@pytest.mark.parametrize("pattern", EXPONENTIAL + POLYNOMIAL)
def test_a_catastrophic_pattern_is_named(pattern: str) -> None:
    assert regex_problem(pattern)


@pytest.mark.parametrize("pattern", HARMLESS)
def test_an_everyday_pattern_passes(pattern: str) -> None:
    re.compile(pattern)
    assert regex_problem(pattern) is None


def test_what_may_simply_end_cannot_go_wrong_unless_the_whole_text_must_match() -> None:
    assert regex_problem(r"(?:\w+\s?)+") is None
    assert "exponential" in str(regex_problem(r"(?:\w+\s?)+", whole=True))


def test_flags_change_what_a_class_matches() -> None:
    assert regex_problem(r"(?:[A-Z]+[a-z]+)*!") is None
    assert regex_problem(r"(?:[A-Z]+[a-z]+)*!", re.IGNORECASE)


def test_what_cannot_be_judged_is_a_problem() -> None:
    assert "not a valid pattern" in str(regex_problem("("))
    assert "longer than" in str(regex_problem("a" * 5_000))
    assert "too large" in str(regex_problem("(?:" + "|".join(f"w{n}" for n in range(700)) + ")*x"))


def test_a_long_list_of_words_is_judged_quickly() -> None:
    started = time.perf_counter()
    assert regex_problem(r"\b(?:" + "|".join(f"word{n}" for n in range(450)) + r")\b\.?", re.IGNORECASE) is None
    assert time.perf_counter() - started < 1


def test_characters_written_as_escapes_are_the_characters() -> None:
    assert regex_problem(r"(\u0416+[\u0410-\u042f]*)+!")


def test_judging_takes_less_than_a_tenth_of_a_second_where_running_would_take_years() -> None:
    started = time.perf_counter()
    assert regex_problem(r"^(?:(?:[a-z0-9]+)*\s*(?:[a-z0-9]+)*)*[!?]$")
    assert time.perf_counter() - started < 0.5
