"""Code that nobody stopped before it came here: it may spoil its own outcome, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiled_ai.sandbox import Outcome, Sandbox

Attack = Callable[..., list[Outcome]]
GOOD = {"before": {"t": "BEFORE"}, "after": {"t": "AFTER"}}


def only_its_own(outcomes: list[Outcome]) -> Outcome:
    """The inputs before and after the attack must come out right; returns what came of the attack."""
    before, now, after = outcomes
    assert (before.status, before.value) == ("value", GOOD["before"])
    assert (after.status, after.value) == ("value", GOOD["after"])
    return now


def test_an_endless_loop_passes_its_cpu_limit(attack: Attack) -> None:
    started = time.monotonic()
    outcome = only_its_own(attack("while True: pass"))
    assert outcome.status == "limit"
    assert "CPU" in outcome.message
    assert time.monotonic() - started < 7


def test_an_endless_loop_that_stops_its_timer_still_ends(attack: Attack) -> None:
    body = "import_ = _builtins()['__import__']; import_('signal').setitimer(2, 0)\nwhile True: pass"
    assert only_its_own(attack(body)).status == "limit"


def test_an_endless_loop_that_catches_everything_still_ends(attack: Attack) -> None:
    body = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    assert only_its_own(attack(body)).status == "limit"


def test_catastrophic_backtracking_passes_the_cpu_limit(attack: Attack) -> None:
    assert only_its_own(attack("re.match('(a+)+$', 'a' * 60 + 'b')", top="import re")).status == "limit"


def test_memory_is_limited(attack: Attack) -> None:
    outcome = only_its_own(attack("return R('x' * 10**10)"))
    assert (outcome.status, outcome.message) == ("limit", "memory limit passed")


def test_memory_taken_piece_by_piece_is_limited(attack: Attack) -> None:
    outcome = only_its_own(attack("held = []\nwhile True: held.append(bytearray(1_000_000))"))
    assert outcome.status == "limit"


def test_memory_is_limited_for_code_that_catches_memory_errors(attack: Attack) -> None:
    body = "held = []\nwhile True:\n    try: held.append(bytearray(1_000_000))\n    except MemoryError: pass"
    assert only_its_own(attack(body)).status == "limit"


@pytest.mark.parametrize(
    "call", ["fork()", "forkpty()", "posix_spawn('/bin/sh', ['sh'], {})", "execv('/bin/sh', ['sh'])"]
)
def test_no_process_can_be_made(attack: Attack, call: str) -> None:
    outcome = only_its_own(attack(f"os = _module('os')\nos.{call}"))
    assert (outcome.status, outcome.error_type) == ("raised", "PermissionError")


def test_no_thread_can_be_made(attack: Attack) -> None:
    body = "_builtins()['__import__']('_thread').start_new_thread(print_, ())"
    outcome = only_its_own(attack(body, top="def print_(): pass"))
    assert (outcome.status, outcome.error_type) == ("raised", "RuntimeError")


@pytest.mark.parametrize(
    "way",
    [
        "_os()['_exit'](0)",
        "_os()['_exit'](77)",
        "_os()['abort']()",
        "_builtins()['__import__']('ctypes').string_at(0)",
        "_module('sys').setrecursionlimit(10**8)\n(lambda f: f(f))(lambda f: re.sub('a', lambda m: f(f), 'a'))",
    ],
)
def test_a_process_that_ends_gives_no_result(attack: Attack, way: str) -> None:
    outcome = only_its_own(attack(way, top="import re"))
    assert outcome.status in ("missing", "limit")
    assert outcome.value is None


@pytest.mark.parametrize("exception", ["SystemExit(0)", "KeyboardInterrupt()", "GeneratorExit()", "BaseException('x')"])
def test_exceptions_outside_of_exception_are_caught(attack: Attack, exception: str) -> None:
    outcome = only_its_own(attack(f"raise {exception}"))
    assert (outcome.status, outcome.error_type) == ("raised", exception.partition("(")[0])


def test_an_exception_tells_its_kind_message_and_line(attack: Attack) -> None:
    outcome = only_its_own(attack("raise ValueError('no such thing')"))
    assert (outcome.error_type, outcome.message) == ("ValueError", "no such thing")
    assert outcome.line == 24


def test_recursion_without_end_is_an_exception(attack: Attack) -> None:
    outcome = only_its_own(attack("return g(1)", top="def g(n): return g(n + 1)"))
    assert outcome.error_type == "RecursionError"


HOSTILE_EXCEPTIONS = {
    "a message without end": "class E(Exception):\n    def __str__(self): return 'x' * 10**9\n",
    "a message that loops": "class E(Exception):\n    def __str__(self):\n        while True: pass\n",
    "a message that ends the process": "class E(Exception):\n    def __str__(self): _os()['_exit'](0)\n",
    "a message that raises": "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\n",
    "a message that is no text": "class E(Exception):\n    def __str__(self): return 7\n",
    "a class that lies about itself": (
        "class M(().__class__.__class__):\n    def __getattribute__(self, name): raise SystemExit\n"
        "class E(Exception, metaclass=M): pass\n"
    ),
    "arguments that cannot be shown": "class A:\n    def __repr__(self): raise SystemExit\nE = lambda: KeyError(A())\n",
}


@pytest.mark.parametrize("top", HOSTILE_EXCEPTIONS.values(), ids=HOSTILE_EXCEPTIONS.keys())
def test_exceptions_that_bite_are_described_all_the_same(attack: Attack, top: str) -> None:
    outcome = only_its_own(attack("raise E()", top=top))
    assert outcome.status in ("raised", "limit", "missing")
    assert len(outcome.message) <= 500


HOSTILE_RESULTS = {
    "another class of the same name": ("class R2:\n    t = 'NOW'\n", "return R2()"),
    "a class that claims to be the right one": (
        "class L:\n    t = 'NOW'\n    @property\n    def __class__(self): return R\n",
        "return L()",
    ),
    "nothing": ("", "return None"),
    "a dictionary": ("", "return {'t': 'NOW'}"),
    "a wrong field": ("", "return R(7)"),
    "a text without end": ("", "return R('x' * 200_000)"),
    "a text class that raises": ("class S(str):\n    def __str__(self): raise SystemExit\n", "return R(S('NOW'))"),
    "a coroutine": ("async def g(): pass\n", "return g()"),
    "a generator": ("", "return (x for x in [1])"),
}


@pytest.mark.parametrize(("top", "body"), HOSTILE_RESULTS.values(), ids=HOSTILE_RESULTS.keys())
def test_results_of_another_type_are_no_values(attack: Attack, top: str, body: str) -> None:
    outcome = only_its_own(attack(body, top=top))
    assert outcome.status in ("raised", "limit")
    assert outcome.value is None


def test_what_it_prints_goes_nowhere(attack: Attack, capfd: pytest.CaptureFixture[str]) -> None:
    body = "write = _os()['write']\nfor fd in (1, 2):\n    for _ in range(1000): write(fd, b'x' * 1_000_000)"
    outcome = only_its_own(attack(body))
    assert outcome.value == {"t": "NOW"}
    assert capfd.readouterr() == ("", "")


STREAM = {
    "noise": "for fd in range(64):\n    try: write(fd, b'hello' * 99)\n    except OSError: pass",
    "a frame as long as the world": "write(3, b'\\xff\\xff\\xff\\xff')",
    "a frame that never ends": "write(3, b'\\x00\\x00\\x10\\x00abc')",
    "no answer": "write(3, frame(b'{}'))",
    "not JSON": "write(3, frame(b'\\xff\\xfe'))",
    "an answer for another input": 'write(3, frame(b\'[2,"value",1,false,{"t":"forged"}]\'))',
    "a negative number": 'write(3, frame(b\'[-7,"value",1,false,{"t":"forged"}]\'))',
    "the end": "write(3, frame(b'[-2,\"end\",{}]'))",
    "a second beginning": "write(3, frame(b'[-1,\"ready\"]'))",
    "a huge number": "write(3, frame(b'[1,\"value\",1,false,{\"t\":' + b'9' * 5000 + b'}]'))",
    "deep nesting": "write(3, frame(b'[' * 50_000))",
    "infinity": 'write(3, frame(b\'[1,"value",Infinity,false,{"t":"x"}]\'))',
    "a wrong type": 'write(3, frame(b\'[1,"value",1,false,{"t":7}]\'))',
    "an unknown field": 'write(3, frame(b\'[1,"value",1,false,{"t":"x","u":1}]\'))',
    "an answer twice": 'write(3, frame(b\'[1,"value",1,false,{"t":"x"}]\') * 2)\n_os()[\'_exit\'](0)',
}


@pytest.mark.parametrize("body", STREAM.values(), ids=STREAM.keys())
def test_what_it_writes_to_the_result_stream_is_its_own_loss(attack: Attack, body: str) -> None:
    prelude = "write = _os()['write']\nframe = lambda data: len(data).to_bytes(4, 'big') + data\n"
    before, now, after = attack(prelude + body)
    assert (before.status, before.value) == ("value", GOOD["before"])
    assert now.value in (None, {"t": "NOW"}, {"t": "x"})
    assert after.value in (None, GOOD["after"])


def test_there_are_never_more_answers_than_inputs(attack: Attack) -> None:
    forged = [f'[{number},"value",1,false,{{"t":"forged"}}]'.encode() for number in range(1, 9)]
    frames = b"".join(len(each).to_bytes(4, "big") + each for each in forged)
    outcomes = attack(f"_os()['write'](3, {frames!r})\nwhile True: pass")
    assert len(outcomes) == 3
    assert outcomes[0].value == GOOD["before"]


def test_closing_the_result_stream_is_no_result(attack: Attack) -> None:
    outcome = only_its_own(attack("_os()['close'](3)\nwhile True: pass"))
    assert outcome.status in ("limit", "overrun", "missing")


def test_waiting_for_ever_is_not_judged(attack: Attack) -> None:
    started = time.monotonic()
    before, now, after = attack("read = _os()['read']\nwhile True: read(3, 100000)")
    assert before.value == GOOD["before"]
    assert now.status in ("overrun", "missing")
    assert time.monotonic() - started < 20


def test_a_trickle_of_bytes_wins_no_time(attack: Attack) -> None:
    body = """
write = _os()['write']
lock = _builtins()['__import__']('_thread').allocate_lock()
lock.acquire()
write(3, (90_000).to_bytes(4, 'big'))
while True:
    write(3, b' ')
    lock.acquire(True, 0.2)
"""
    started = time.monotonic()
    _, now, _ = attack(body)
    assert now.status == "overrun"
    assert time.monotonic() - started < 20


def test_sleeping_is_refused(attack: Attack) -> None:
    outcome = only_its_own(attack("_module('time').sleep(60)"))
    assert outcome.error_type == "PermissionError"


@pytest.mark.parametrize("signal", [9, 15, 19, 10])
def test_signals_reach_nobody(attack: Attack, signal: int) -> None:
    body = f"os = _module('os')\nfor pid in (os.getppid(), 1, -1, 0, 2):\n    os.kill(pid, {signal})"
    outcome = only_its_own(attack(body))
    assert (outcome.status, outcome.error_type) == ("raised", "PermissionError")


@pytest.mark.parametrize(
    "body",
    [
        "_builtins()['open']('/etc/passwd').read()",
        "_builtins()['open'](_module('json').__file__).read()",
        "_module('os').listdir('/')",
        "_module('os').stat('/')",
        "_module('os').open('/tmp/x', 65)",
        "_module('os').mkdir('/tmp/made')",
        "_module('os').chdir('/')",
        "_module('os').memfd_create('x')",
        "_builtins()['__import__']('_socket').socket()",
        "_builtins()['__import__']('_socket').socketpair()",
        "_module('os').pipe()",
        "_module('os').setuid(0)",
    ],
)
def test_files_and_network_are_out_of_reach(attack: Attack, body: str) -> None:
    outcome = only_its_own(attack(body))
    assert outcome.status == "raised"
    assert outcome.error_type in ("PermissionError", "OSError", "ModuleNotFoundError", "FileNotFoundError", "KeyError")


def test_nothing_of_our_environment_is_inside(attack: Attack) -> None:
    outcome = only_its_own(attack("return R(' '.join(sorted(_os()['environ'])))"))
    assert set(outcome.value["t"].split()) <= {"LC_ALL", "PYTHONHASHSEED", "PYTHONUTF8", "TZ", "PWD"}


@pytest.mark.parametrize(
    "call", ["open(b'/etc/passwd', 0)", "system(b'true')", "fork()", "kill(-1, 9)", "unlink(b'/x')"]
)
def test_the_c_library_is_refused_as_well(attack: Attack, call: str) -> None:
    outcome = only_its_own(attack(f"return R(str(_builtins()['__import__']('ctypes').CDLL(None).{call}))"))
    assert outcome.value in ({"t": "-1"}, {"t": "32512"})  # the shell could not be started


def test_memory_cannot_be_made_executable(attack: Attack) -> None:
    outcome = only_its_own(attack("_builtins()['__import__']('mmap').mmap(-1, 4096, prot=7)"))
    assert outcome.status == "raised"


def test_what_one_job_leaves_behind_the_next_does_not_see(attack: Attack) -> None:
    attack("_module('json').left = 'behind'\n_module('sys').modules['compiled_ai.library.types'].decoder = None")
    outcome = only_its_own(attack("return R(str(hasattr_))", top="hasattr_ = 'left' in _module('json').__dict__"))
    assert outcome.value == {"t": "False"}


def test_a_module_that_cannot_be_loaded_fails_every_input(box: Sandbox, attack: Attack) -> None:
    outcomes = attack("pass", top="raise ValueError('at import')")
    assert [(each.status, each.error_type) for each in outcomes] == [("raised", "ValueError")] * 3


def test_a_module_that_loops_at_import_fails_every_input_once(attack: Attack) -> None:
    started = time.monotonic()
    outcomes = attack("pass", top="while True: pass")
    assert [each.status for each in outcomes] == ["limit"] * 3
    assert time.monotonic() - started < 7


def test_it_leaves_no_file(attack: Attack, tmp_path: Path) -> None:
    target = tmp_path / "written"
    attack(f"_builtins()['open']({str(target)!r}, 'w').write('x')")
    assert not target.exists()
