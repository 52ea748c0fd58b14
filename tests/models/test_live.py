"""Live models against a server on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from compiled_ai.errors import BudgetExceeded, ConfigError, ModelFailed
from compiled_ai.models import Budget, Request, open_model
from compiled_ai.models.live import LiveModel, Retries

Ask = Callable[..., Request]


class Sleeps(list[float]):
    """Stands in for `time.sleep` and remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def openai(provider: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    return provider


@pytest.fixture
def anthropic(provider: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-2")
    return provider


def answer(**how: Any) -> Any:
    from types import SimpleNamespace

    base = {"text": "ok", "status": 200, "headers": {}, "cut": False, "body": None, "finish": None, "usage": True}
    return SimpleNamespace(**{**base, **how})


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic:claude-sonnet-4-6", "ANTHROPIC_API_KEY"),
        ("openai:gpt-4o", "OPENAI_API_KEY"),
        ("openai-responses:gpt-4o", "OPENAI_API_KEY"),
        ("ollama:llama3", "OLLAMA_BASE_URL"),
    ],
)
def test_a_missing_key_is_an_error_that_names_the_variable(name: str, variable: str) -> None:
    with pytest.raises(ConfigError, match=variable) as failure:
        open_model(name)
    assert failure.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt-4o", "names no provider"),
        ("openai:", "names no provider"),
        ("antropic:claude", "Did you mean 'anthropic'"),
        ("recorded:", "names no folder"),
        ("exchange:", "names no folder"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_with_a_hint(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_model(name)


def test_an_openai_compatible_server_answers_a_plain_request(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(text="def f(): ...")]
    reply = open_model("openai:local-1").ask(ask_for("Write f.", max_tokens=321))
    asked = openai.asked[0]
    assert (reply.text, reply.origin, reply.model, reply.truncated) == ("def f(): ...", "live", "openai:local-1", False)
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.origin) == (11, 7, "measured")
    assert asked["path"] == "/v1/chat/completions"
    assert [(message["role"], message["content"]) for message in asked["messages"]] == [
        ("system", "Be brief."),
        ("user", "Write f."),
    ]
    assert 321 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))
    assert not {"tools", "tool_choice", "response_format"} & set(asked)


def test_a_local_server_needs_no_key(openai: Any, ask_for: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    openai.answers = [answer()]
    assert open_model("openai:local-1").ask(ask_for()).text == "ok"


def test_ollama_is_found_by_its_base_url(provider: Any, ask_for: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", f"{provider.url}/v1")
    provider.answers = [answer()]
    assert open_model("ollama:llama3").ask(ask_for()).model == "ollama:local-1"


def test_anthropic_answers_a_plain_request(anthropic: Any, ask_for: Ask) -> None:
    anthropic.answers = [answer(text="fine")]
    reply = open_model("anthropic:claude-sonnet-4-6").ask(ask_for())
    assert (reply.text, reply.model) == ("fine", "anthropic:claude-local")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (13, 5)
    assert "secret-2" in str(anthropic.headers[0])


def test_tokens_that_the_server_does_not_count_are_estimated_and_say_so(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(text="one two three", usage=False)]
    usage = open_model("openai:local-1").ask(ask_for()).usage
    assert usage.origin == "estimated"
    assert usage.output_tokens == 3


@pytest.mark.parametrize("name", ["openai:local-1", "anthropic:claude-sonnet-4-6"])
def test_a_truncated_reply_is_flagged(openai: Any, anthropic: Any, ask_for: Ask, name: str) -> None:
    openai.answers = [answer(finish="length")]
    reply = open_model(name).ask(ask_for())
    assert reply.truncated
    assert reply.finish_reason == "length"


@pytest.mark.parametrize("name", ["openai:local-1", "anthropic:claude-sonnet-4-6"])
def test_a_rate_limit_is_waited_for_as_long_as_the_provider_asks(
    openai: Any, anthropic: Any, ask_for: Ask, name: str
) -> None:
    openai.answers = [answer(status=429, headers={"Retry-After": "7"}), answer(text="after")]
    sleeps = Sleeps()
    assert LiveModel(name, sleep=sleeps).ask(ask_for()).text == "after"
    assert sleeps == [7.0]


@pytest.mark.parametrize("status", [500, 502, 503, 529, 408])
def test_a_passing_failure_is_tried_again_with_longer_waits(openai: Any, ask_for: Ask, status: int) -> None:
    openai.answers = [answer(status=status), answer(status=status), answer(text="after")]
    sleeps = Sleeps()
    assert LiveModel("openai:local-1", sleep=sleeps).ask(ask_for()).text == "after"
    assert len(sleeps) == 2
    assert sleeps[0] < sleeps[1]


def test_a_cut_connection_is_tried_again(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(cut=True), answer(text="after")]
    sleeps = Sleeps()
    assert LiveModel("openai:local-1", sleep=sleeps).ask(ask_for()).text == "after"
    assert len(sleeps) == 1


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        (answer(status=429), "HTTP 429"),
        (answer(status=500), "HTTP 500"),
        (answer(cut=True), "cut the connection"),
        (answer(body=b"<html>not JSON</html>"), "not its own format"),
    ],
)
def test_after_bounded_tries_the_failure_says_what_happened(
    openai: Any, ask_for: Ask, failing: Any, message: str
) -> None:
    openai.answers = [failing]
    model = LiveModel("openai:local-1", retries=Retries(attempts=3), sleep=Sleeps())
    with pytest.raises(ModelFailed, match=f"{message}.*after 3 tries") as failure:
        model.ask(ask_for())
    assert len(openai.asked) == 3
    assert failure.value.exit_code == 1
    assert failure.value.remedy


@pytest.mark.parametrize("body", [b'{"id": 1}', b'{"choices": []}', b"[]", b"null"])
def test_json_of_another_shape_fails_and_never_becomes_a_reply(openai: Any, ask_for: Ask, body: bytes) -> None:
    openai.answers = [answer(body=body)]
    with pytest.raises(ModelFailed):
        LiveModel("openai:local-1", retries=Retries(attempts=2), sleep=Sleeps()).ask(ask_for())


def test_a_provider_that_asks_to_wait_too_long_is_not_waited_for(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(status=429, headers={"Retry-After": "3600"})]
    sleeps = Sleeps()
    with pytest.raises(ModelFailed, match="asks to wait 3600 seconds"):
        LiveModel("openai:local-1", sleep=sleeps).ask(ask_for())
    assert sleeps == []


@pytest.mark.parametrize(("status", "message"), [(401, "refused the key"), (404, "does not know the model")])
def test_a_lasting_failure_is_not_tried_again(openai: Any, ask_for: Ask, status: int, message: str) -> None:
    openai.answers = [answer(status=status)]
    with pytest.raises(ModelFailed, match=message):
        LiveModel("openai:local-1", sleep=Sleeps()).ask(ask_for())
    assert len(openai.asked) == 1


def test_no_error_text_holds_the_prompt_or_the_key(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(status=400, body=b'{"error": {"message": "bad input: MARKER-77"}}')]
    with pytest.raises(ModelFailed) as failure:
        LiveModel("openai:local-1", sleep=Sleeps()).ask(ask_for("MARKER-77"))
    assert "MARKER-77" not in str(failure.value)
    assert "secret-1" not in str(failure.value)


def test_a_reply_that_takes_too_long_fails(openai: Any, ask_for: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    class Slow:
        def __getattr__(self, name: str) -> Any:
            time.sleep(0.4)
            return getattr(answer(), name)

    openai.answers = [Slow()]
    with pytest.raises(ModelFailed, match="did not answer in time"):
        LiveModel("openai:local-1", retries=Retries(attempts=1), sleep=Sleeps()).ask(ask_for(timeout_seconds=0.2))


def test_it_works_inside_a_running_event_loop(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(text="in a notebook")]

    async def notebook() -> str:
        return open_model("openai:local-1").ask(ask_for()).text

    assert asyncio.run(notebook()) == "in a notebook"


def test_many_threads_may_ask_one_model(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer()]
    model = open_model("openai:local-1")
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda number: model.ask(ask_for(f"question {number}")), range(16)))
    assert [reply.text for reply in replies] == ["ok"] * 16
    assert len({asked["messages"][1]["content"] for asked in openai.asked}) == 16


def test_a_budget_in_tokens_stops_before_the_call_that_would_pass_it(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer()]
    budget = Budget(max_tokens=1_100)
    model = open_model("openai:local-1", budget=budget)
    model.ask(ask_for(max_tokens=1_024))
    assert budget.spent.output_tokens == 7
    with pytest.raises(BudgetExceeded, match=r"18 of 1100 are used.*Raise --max-tokens"):
        model.ask(ask_for("Much longer. " * 30, max_tokens=1_024))
    assert len(openai.asked) == 1


def test_a_budget_shortens_the_reply_rather_than_refuse_it(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer()]
    open_model("openai:local-1", budget=Budget(max_tokens=2_000)).ask(ask_for(max_tokens=4_096))
    sent = openai.asked[0].get("max_tokens") or openai.asked[0]["max_completion_tokens"]
    assert 1_024 <= sent < 2_000


def test_a_budget_counts_calls_that_are_under_way(openai: Any, ask_for: Ask) -> None:
    budget = Budget(max_tokens=3_000)
    held = budget.reserve(ask_for(max_tokens=2_000), "openai:local-1")
    with pytest.raises(BudgetExceeded):
        budget.reserve(ask_for(max_tokens=2_000), "openai:local-1")
    held.settle(None)
    budget.reserve(ask_for(max_tokens=2_000), "openai:local-1")


def test_a_failed_call_gives_its_reservation_back(openai: Any, ask_for: Ask) -> None:
    openai.answers = [answer(status=401), answer(text="now")]
    model = LiveModel("openai:local-1", budget=Budget(max_tokens=1_200), sleep=Sleeps())
    with pytest.raises(ModelFailed):
        model.ask(ask_for(max_tokens=1_024))
    assert model.ask(ask_for(max_tokens=1_024)).text == "now"


def test_a_budget_in_usd_needs_a_known_price(openai: Any) -> None:
    with pytest.raises(ConfigError, match=r"price of model 'openai:local-1' is not known.*--max-tokens"):
        open_model("openai:local-1", budget=Budget(max_usd=Decimal("1")))


def test_a_budget_in_usd_stops_before_the_call_that_would_pass_it(anthropic: Any, ask_for: Ask) -> None:
    anthropic.answers = [answer()]
    model = open_model("anthropic:claude-sonnet-4-6", budget=Budget(max_usd=Decimal("0.0001")))
    with pytest.raises(BudgetExceeded, match="USD"):
        model.ask(ask_for())
    assert anthropic.asked == []


def test_no_provider_is_loaded_before_one_is_opened() -> None:
    import subprocess
    import sys

    loaded = "{name for name in ('pydantic_ai', 'openai', 'anthropic', 'genai_prices') if name in sys.modules}"
    code = f"import sys, compiled_ai.models, compiled_ai.generate; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
