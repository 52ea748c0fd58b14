"""Recordings and exchanges: replies without a provider, in one file format."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from compiled_ai.errors import BudgetExceeded, ConfigError, KeyMissing, ModelFailed, NotFound, Waiting
from compiled_ai.models import (
    Budget,
    RecordedModel,
    RecordingModel,
    Request,
    ScriptedModel,
    Transcript,
    ask_all,
    merged,
    open_model,
    orphans,
    read_transcript,
    write_transcript,
)

Ask = Callable[..., Request]


class Reversing:
    """Stands in for encryption: nothing of the text can be read, and it comes back."""

    def seal(self, text: str) -> str:
        return text.encode().hex()[::-1]

    def unseal(self, text: str) -> str:
        return bytes.fromhex(text[::-1]).decode()


def record(place: Path, *requests: Request, reply: str = "def f(): ...") -> None:
    model = RecordingModel(ScriptedModel([reply] * len(requests)), place)
    for request in requests:
        model.ask(request)


# ---------------------------------------------------------------- recorded


def test_a_recording_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"No recording at .*--record") as failure:
        open_model(f"recorded:{tmp_path / 'none'}")
    assert failure.value.exit_code == 2


def test_a_changed_prompt_fails_with_the_command_that_records_it_again(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for("one\ntwo\nthree"))
    model = open_model(f"recorded:{tmp_path}")
    with pytest.raises(NotFound) as failure:
        model.ask(ask_for("one\n2\nthree", command="compile invoice.yaml"))
    assert failure.value.exit_code == 2
    assert "The prompt has changed since, from its line 2 on." in str(failure.value)
    command = f"compiled-ai compile invoice.yaml --model exchange:{tmp_path}/exchange --record {tmp_path}"
    assert str(failure.value).endswith(command)


def test_the_command_names_the_model_that_made_a_live_recording(tmp_path: Path, ask_for: Ask) -> None:
    scripted = ScriptedModel(["x"]).ask(ask_for())
    live = scripted.model_copy(update={"origin": "live", "model": "anthropic:claude-1"})
    write_transcript(tmp_path, Transcript.of([(ask_for(), live)]))
    with pytest.raises(NotFound, match=r"--model anthropic:claude-1 --record"):
        open_model(f"recorded:{tmp_path}").ask(ask_for("other"))


def test_a_changed_system_prompt_is_named_as_the_reason(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for())
    with pytest.raises(NotFound, match="The system prompt has changed since"):
        open_model(f"recorded:{tmp_path}").ask(ask_for(system="Be long."))


def test_a_request_that_names_no_command_is_recorded_by_the_same_one(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for())
    with pytest.raises(NotFound, match=r"the same command with --model exchange:\S+ --record"):
        open_model(f"recorded:{tmp_path}").ask(ask_for("other"))


def test_another_sample_is_another_request(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for(sample=0))
    with pytest.raises(NotFound, match="sample 1"):
        open_model(f"recorded:{tmp_path}").ask(ask_for(sample=1))


def test_limits_and_commands_do_not_change_the_key(ask_for: Ask) -> None:
    assert ask_for(max_tokens=1, timeout_seconds=1, command="a").key == ask_for(max_tokens=2, command="b").key
    assert ask_for(purpose="generate:a").key != ask_for(purpose="generate:b").key


def test_a_recording_replays_everything_that_was_known_of_the_reply(tmp_path: Path, ask_for: Ask) -> None:
    request = ask_for("Prüfe ‹das›\u2028\n")
    made = RecordingModel(ScriptedModel(["r\u00e9ply"]), tmp_path).ask(request)
    assert open_model(f"recorded:{tmp_path}").ask(request) == made


def test_a_shared_system_prompt_is_stored_once(tmp_path: Path, ask_for: Ask) -> None:
    system = "A long system prompt. " * 50
    record(tmp_path, *(ask_for(f"question {number}", system=system) for number in range(20)))
    text = (tmp_path / "transcript.jsonl").read_text()
    assert text.count(system) == 1
    assert len(text.splitlines()) == 21


def test_recording_again_replaces_the_entry_and_keeps_the_others(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for("one"), ask_for("two"))
    record(tmp_path, ask_for("one"), reply="better")
    assert {entry.reply for entry in read_transcript(tmp_path).entries} == {"def f(): ...", "better"}
    assert len(read_transcript(tmp_path).entries) == 2


def test_an_unused_recording_is_found(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for("used"), ask_for("orphan"))
    model = RecordedModel(tmp_path)
    model.ask(ask_for("used"))
    assert [entry.prompt for entry in model.unused] == ["orphan"]
    assert orphans(model.transcript, [ask_for("used").key, ask_for("orphan").key]) == ()


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "{}",
        "[]",
        '{"kind": "call"}',
        '{"kind": "other"}',
        '{"kind": "system", "digest": "0", "text": "changed"}',
        '{"kind": "sealed", "text": 1}',
    ],
)
def test_a_damaged_line_is_refused_with_its_place(tmp_path: Path, ask_for: Ask, line: str) -> None:
    record(tmp_path, ask_for())
    file = tmp_path / "transcript.jsonl"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises((ConfigError, KeyMissing), match=r"transcript\.jsonl:3"):
        open_model(f"recorded:{tmp_path}")


def test_a_call_without_its_system_prompt_is_refused(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for())
    file = tmp_path / "transcript.jsonl"
    file.write_text(file.read_text().splitlines()[1] + "\n")
    with pytest.raises(ConfigError, match="lacks the system prompt"):
        open_model(f"recorded:{tmp_path}")


def test_replayed_tokens_count_against_a_budget(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for("one"), ask_for("two"))
    spent = open_model(f"recorded:{tmp_path}").ask(ask_for("one")).usage
    total = spent.input_tokens + spent.output_tokens
    model = open_model(f"recorded:{tmp_path}", budget=Budget(max_tokens=total * 2 - 1))
    model.ask(ask_for("one"))
    with pytest.raises(BudgetExceeded):
        model.ask(ask_for("two"))


def test_a_limit_in_usd_is_refused_where_the_recorded_model_has_no_price(tmp_path: Path, ask_for: Ask) -> None:
    record(tmp_path, ask_for())
    with pytest.raises(ConfigError, match="price"):
        open_model(f"recorded:{tmp_path}", budget=Budget(max_usd=Decimal(1))).ask(ask_for())


def test_a_protected_recording_holds_nothing_in_the_clear(tmp_path: Path, ask_for: Ask) -> None:
    sealer = Reversing()
    RecordingModel(ScriptedModel(["MARKER-REPLY"]), tmp_path, protect=sealer).ask(ask_for("MARKER-PROMPT"))
    text = (tmp_path / "transcript.jsonl").read_text()
    assert "MARKER" not in text
    assert ask_for("MARKER-PROMPT").key not in text
    assert open_model(f"recorded:{tmp_path}", protect=sealer).ask(ask_for("MARKER-PROMPT")).text == "MARKER-REPLY"
    with pytest.raises(KeyMissing) as failure:
        open_model(f"recorded:{tmp_path}")
    assert failure.value.exit_code == 2


# ---------------------------------------------------------------- exchange


def files(folder: Path, end: str) -> list[Path]:
    return sorted(folder.glob(f"*{end}"))


def test_an_exchange_without_a_reply_writes_a_readable_request_and_waits(tmp_path: Path, ask_for: Ask) -> None:
    with pytest.raises(Waiting) as wait:
        open_model(f"exchange:{tmp_path}").ask(ask_for("Write a function.\nPlease.", system="You write code."))
    [page] = files(tmp_path, ".request.md")
    assert page.name.endswith("-generate-step.request.md")
    text = page.read_text()
    assert text.index("You write code.") < text.index("Write a function.\nPlease.") < text.index("Put the reply")
    reply = page.name.replace(".request.md", ".reply.md")
    assert reply in text
    assert wait.value.exit_code == 3
    assert wait.value.details == [{"request": str(page), "reply": str(tmp_path / reply)}]


@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_an_empty_reply_file_is_still_awaited(tmp_path: Path, ask_for: Ask, content: str) -> None:
    model = open_model(f"exchange:{tmp_path}")
    with pytest.raises(Waiting) as wait:
        model.ask(ask_for())
    Path(wait.value.details[0]["reply"]).write_text(content)
    with pytest.raises(Waiting):
        model.ask(ask_for())


def answer(wait: Waiting, text: str = "def f(): ...", sidecar: object = None) -> None:
    for awaited in wait.details:
        reply = Path(awaited["reply"])
        reply.write_text(text)
        if sidecar is not None:
            reply.with_suffix(".json").write_text(json.dumps(sidecar))


def wait_for(folder: Path, request: Request) -> Waiting:
    with pytest.raises(Waiting) as wait:
        open_model(f"exchange:{folder}").ask(request)
    return wait.value


def test_a_reply_file_is_taken_and_its_tokens_are_estimated(tmp_path: Path, ask_for: Ask) -> None:
    answer(wait_for(tmp_path, ask_for()))
    reply = open_model(f"exchange:{tmp_path}").ask(ask_for())
    assert (reply.text, reply.origin, reply.model, reply.usage.origin) == (
        "def f(): ...",
        "exchange",
        "unknown",
        "estimated",
    )


def test_a_sidecar_says_who_answered_and_at_what_cost(tmp_path: Path, ask_for: Ask) -> None:
    sidecar = {"model": "some-model", "input_tokens": 40, "output_tokens": 9, "origin": "authored"}
    answer(wait_for(tmp_path, ask_for()), sidecar=sidecar)
    reply = open_model(f"exchange:{tmp_path}").ask(ask_for())
    assert (reply.model, reply.origin) == ("some-model", "authored")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.origin) == (40, 9, "measured")


@pytest.mark.parametrize("sidecar", [{"tokens": 1}, {"input_tokens": -1}, {"origin": "live"}, [], "x"])
def test_a_sidecar_that_does_not_fit_is_refused(tmp_path: Path, ask_for: Ask, sidecar: object) -> None:
    answer(wait_for(tmp_path, ask_for()), sidecar=sidecar)
    with pytest.raises(ConfigError, match=r"reply\.json.*Allowed: model"):
        open_model(f"exchange:{tmp_path}").ask(ask_for())


def test_a_reply_that_is_no_text_is_refused(tmp_path: Path, ask_for: Ask) -> None:
    wait = wait_for(tmp_path, ask_for())
    Path(wait.details[0]["reply"]).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        open_model(f"exchange:{tmp_path}").ask(ask_for())


def test_a_huge_reply_is_refused(tmp_path: Path, ask_for: Ask) -> None:
    answer(wait_for(tmp_path, ask_for()), text="x" * 4_000_001)
    with pytest.raises(ModelFailed, match="larger than"):
        open_model(f"exchange:{tmp_path}").ask(ask_for())


def test_all_requests_are_written_before_anyone_waits(tmp_path: Path, ask_for: Ask) -> None:
    requests = [ask_for(f"question {number}") for number in range(5)]
    model = open_model(f"exchange:{tmp_path}")
    with pytest.raises(Waiting, match="5 replies are awaited") as wait:
        ask_all(model, requests)
    assert len(files(tmp_path, ".request.md")) == 5
    answer(wait.value)
    assert len(ask_all(open_model(f"exchange:{tmp_path}"), requests)) == 5


def test_hundreds_of_waits_are_listed_in_short_and_kept_in_full(tmp_path: Path, ask_for: Ask) -> None:
    with pytest.raises(Waiting, match="and 10 more") as wait:
        ask_all(open_model(f"exchange:{tmp_path}"), [ask_for(f"question {number}") for number in range(40)])
    assert len(wait.value.details) == 40


def test_waits_of_several_specifications_merge_without_doubles(tmp_path: Path, ask_for: Ask) -> None:
    one, two = wait_for(tmp_path, ask_for("one")), wait_for(tmp_path, ask_for("two"))
    assert len(merged([one, two, one]).details) == 2


def test_an_exchange_resumes_from_its_own_transcript(tmp_path: Path, ask_for: Ask) -> None:
    wait = wait_for(tmp_path, ask_for())
    answer(wait)
    open_model(f"exchange:{tmp_path}").ask(ask_for())
    Path(wait.details[0]["reply"]).unlink()
    assert open_model(f"exchange:{tmp_path}").ask(ask_for()).text == "def f(): ..."
    assert open_model(f"recorded:{tmp_path}").ask(ask_for()).origin == "exchange"


def test_a_reply_file_that_was_corrected_wins_over_the_transcript(tmp_path: Path, ask_for: Ask) -> None:
    wait = wait_for(tmp_path, ask_for())
    answer(wait, "first")
    open_model(f"exchange:{tmp_path}").ask(ask_for())
    answer(wait, "second")
    assert open_model(f"exchange:{tmp_path}").ask(ask_for()).text == "second"


def test_protected_exchange_files_are_private_and_go_when_they_are_read(tmp_path: Path, ask_for: Ask) -> None:
    sealer = Reversing()
    request = ask_for("MARKER-PROMPT")
    with pytest.raises(Waiting) as wait:
        open_model(f"exchange:{tmp_path}", protect=sealer).ask(request)
    [page] = files(tmp_path, ".request.md")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    answer(wait.value, "MARKER-REPLY", {"model": "m"})
    assert open_model(f"exchange:{tmp_path}", protect=sealer).ask(request).text == "MARKER-REPLY"
    left = [path.read_text() for path in tmp_path.iterdir() if path.is_file()]
    assert not any("MARKER" in text for text in left)
    assert open_model(f"exchange:{tmp_path}", protect=sealer).ask(request).text == "MARKER-REPLY"


def test_an_exchange_keeps_a_budget_before_it_writes_a_request(tmp_path: Path, ask_for: Ask) -> None:
    with pytest.raises(BudgetExceeded):
        open_model(f"exchange:{tmp_path}", budget=Budget(max_tokens=3)).ask(ask_for("much longer " * 20))
    assert files(tmp_path, ".request.md") == []


def test_record_works_on_an_exchange(tmp_path: Path, ask_for: Ask) -> None:
    answer(wait_for(tmp_path / "in", ask_for()))
    open_model(f"exchange:{tmp_path / 'in'}", record=tmp_path / "out").ask(ask_for())
    assert open_model(f"recorded:{tmp_path / 'out'}").ask(ask_for()).text == "def f(): ..."


# ---------------------------------------------------------------- scripted


def test_a_script_gives_its_replies_in_order_and_remembers_the_requests(ask_for: Ask) -> None:
    model = ScriptedModel(["one", ModelFailed("broken")])
    assert model.ask(ask_for("a")).text == "one"
    with pytest.raises(ModelFailed, match="broken"):
        model.ask(ask_for("b"))
    with pytest.raises(ModelFailed, match="2 replies and was asked once more"):
        model.ask(ask_for("c"))
    assert [request.prompt for request in model.requests] == ["a", "b", "c"]


def test_a_script_may_be_a_function(ask_for: Ask) -> None:
    assert ScriptedModel(lambda request: request.prompt.upper()).ask(ask_for("abc")).text == "ABC"
