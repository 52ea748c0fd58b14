"""Master keys: refused when malformed or readable by others, rotated, and the local key that stands in for chains."""

from __future__ import annotations

import os
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest
from store_samples import ALL_ENCRYPTED, run_record

from compiled_ai.errors import CompiledAIError, ConfigError, KeyMissing, StoreFailed
from compiled_ai.runtime.keys import KeyRing, Wrapped, new_key
from compiled_ai.runtime.store import CLEAR, RunStore


def ring(*lines: str, home: Path | None = None) -> KeyRing:
    return KeyRing.from_environment({"COMPILED_AI_KEY": ",".join(lines)}, home=home)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("c2VjcmV0", "not of the form name:base64"),
        ("k:not base64!", "'k' in COMPILED_AI_KEY is not base64"),
        ("k:c2VjcmV0", "has 6 bytes, not 32"),
        ("local:" + "QUJD" * 10 + "QUI=", "'local' is reserved"),
        ("a b:" + "QUJD" * 10 + "QUI=", "is 'a b'"),
    ],
)
def test_a_malformed_key_is_refused_without_repeating_it(line: str, says: str) -> None:
    with pytest.raises(ConfigError) as fault:
        ring(line)
    assert says in str(fault.value)
    assert "c2VjcmV0" not in str(fault.value)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="Two master keys are named 'k'"):
        ring(new_key("k"), new_key("k"))


def test_a_second_key_of_a_name_stores_nothing_also_where_the_store_began_without_any(tmp_path: Path) -> None:
    place = tmp_path / "runs.db"

    def stored(keys: KeyRing) -> str:
        with RunStore.open(place, home=tmp_path, keys=keys) as store:
            return store.save(run_record(), ALL_ENCRYPTED if keys.can_encrypt else CLEAR)

    first, other = new_key("k"), new_key("k")
    stored(ring(home=tmp_path))
    kept = stored(ring(first, home=tmp_path))
    with pytest.raises(StoreFailed, match="'k' does not open this: it is another key of that name"):
        stored(ring(other, home=tmp_path))
    stored(ring(new_key("new"), first, home=tmp_path))
    with RunStore.open(place, home=tmp_path, keys=ring(first, home=tmp_path)) as store:
        assert (store.load(kept).run_id, len(store.list())) == (kept, 3)


def test_a_key_and_a_keys_file_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are both set"):
        KeyRing.from_environment({"COMPILED_AI_KEY": new_key("k"), "COMPILED_AI_KEYS_FILE": str(tmp_path)})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_keys_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "keys"
    file.write_text(new_key("k") + "\n")
    file.chmod(mode)
    with pytest.raises(ConfigError, match="may be read by others"):
        KeyRing.from_environment({"COMPILED_AI_KEYS_FILE": str(file)})


def test_a_missing_or_empty_keys_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyRing.from_environment({"COMPILED_AI_KEYS_FILE": str(tmp_path / "none")})
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    with pytest.raises(ConfigError, match="holds no key"):
        KeyRing.from_environment({"COMPILED_AI_KEYS_FILE": str(empty)})


def test_a_private_keys_file_is_read_and_its_first_key_is_current(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{new_key('new')}\n\n{new_key('old')}\n")
    file.chmod(0o600)
    found = KeyRing.from_environment({"COMPILED_AI_KEYS_FILE": str(file)})
    assert found.names == ("new", "old")
    assert found.wrap(bytes(32), context="run 1").key_name == "new"


def test_without_a_master_key_encryption_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    alone = KeyRing(home=tmp_path)
    for demand in (lambda: alone.wrap(b"k" * 32, context="c"), lambda: alone.seal(b"data")):
        with pytest.raises(KeyMissing) as fault:
            demand()
        assert "compiled-ai keys new" in str(fault.value)
        assert fault.value.exit_code == 2
    assert not (tmp_path / "keys").exists()


def test_the_local_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    wrapped = KeyRing(home=tmp_path).wrap_for_chain(b"s" * 32, context="c")
    file = tmp_path / "keys" / "local.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KeyRing(home=tmp_path).unwrap(wrapped, context="c") == b"s" * 32
    assert os.listdir(file.parent) == ["local.key"]


def test_a_lost_local_key_is_reported_and_not_replaced(tmp_path: Path) -> None:
    wrapped = KeyRing(home=tmp_path).wrap_for_chain(b"s" * 32, context="c")
    (tmp_path / "keys" / "local.key").unlink()
    with pytest.raises(KeyMissing, match="is gone"):
        KeyRing(home=tmp_path).unwrap(wrapped, context="c")
    assert not (tmp_path / "keys" / "local.key").exists()


def test_a_local_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    KeyRing(home=tmp_path).wrap_for_chain(b"s" * 32, context="c")
    (tmp_path / "keys" / "local.key").chmod(0o644)
    with pytest.raises(ConfigError, match="may be read by others"):
        KeyRing(home=tmp_path).wrap_for_chain(b"s" * 32, context="c")


def _wrap_locally(home: str) -> tuple[str, bytes]:
    wrapped = KeyRing(home=Path(home)).wrap_for_chain(b"s" * 32, context="c")
    return (wrapped.key_name, wrapped.data)


def test_processes_that_start_together_agree_on_one_local_key(tmp_path: Path) -> None:
    with get_context("spawn").Pool(3) as pool:
        results = pool.map(_wrap_locally, [str(tmp_path)] * 6)
    for name, data in results:
        assert KeyRing(home=tmp_path).unwrap(Wrapped(name, data), context="c") == b"s" * 32


def test_an_unknown_key_is_named_with_its_nearest_neighbour() -> None:
    wrapped = ring(new_key("prod-2026")).wrap(b"k" * 32, context="c")
    with pytest.raises(KeyMissing, match="'prod-2026' is needed.*Did you mean 'prod-2025'"):
        ring(new_key("prod-2025")).unwrap(wrapped, context="c")


def test_another_key_of_the_same_name_does_not_open_it() -> None:
    wrapped = ring(new_key("k")).wrap(b"k" * 32, context="c")
    with pytest.raises(StoreFailed, match="another key of that name"):
        ring(new_key("k")).unwrap(wrapped, context="c")


def test_a_wrapped_key_opens_in_its_own_context_only() -> None:
    keys = ring(new_key("k"))
    wrapped = keys.wrap(b"k" * 32, context="run 1")
    assert keys.unwrap(wrapped, context="run 1") == b"k" * 32
    with pytest.raises(StoreFailed):
        keys.unwrap(wrapped, context="run 2")


def test_sealed_data_is_one_line_and_opens_again_even_after_a_rotation() -> None:
    old = new_key("old")
    sealed = ring(old).seal(b"a transcript\nof two lines", context="transcript")
    assert sealed.startswith(b"compiled-ai-sealed:1:old:")
    assert b"\n" not in sealed and b"transcript" not in sealed
    assert ring(new_key("new"), old).open(sealed + b"\n", context="transcript") == b"a transcript\nof two lines"


@pytest.mark.parametrize(
    "damage",
    [
        lambda sealed: sealed[:-8] + b"AAAAAAA=",
        lambda sealed: sealed[:-3],
        lambda sealed: b"plain text",
        lambda sealed: sealed.replace(b"old:", b"old;"),
    ],
)
def test_altered_sealed_data_is_refused(damage: object) -> None:
    keys = ring(new_key("old"))
    sealed = keys.seal(b"a transcript")
    with pytest.raises((StoreFailed, KeyMissing)) as fault:
        keys.open(damage(sealed))  # type: ignore[operator]
    assert isinstance(fault.value, CompiledAIError)


def test_no_secret_shows_in_a_printed_ring(key_line: str) -> None:
    keys = ring(key_line)
    assert repr(keys) == "KeyRing(first)"
    assert key_line.partition(":")[2] not in repr(vars(keys))


def test_a_new_key_needs_a_usable_name() -> None:
    with pytest.raises(ConfigError, match="'local' is reserved"):
        new_key("local")
    assert ring(new_key("site.1")).names == ("site.1",)
