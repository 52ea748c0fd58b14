"""Live providers through pydantic-ai: one plain request, bounded retries, errors that say what to do.

`openai:` means the chat completions interface, which every OpenAI-compatible server speaks; `openai-responses:`
is the other one. Base addresses come from OPENAI_BASE_URL, ANTHROPIC_BASE_URL and OLLAMA_BASE_URL.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from compiled_ai.errors import CompiledAIError, ConfigError, ModelFailed, suggest
from compiled_ai.models.budget import Budget, price_usd
from compiled_ai.models.request import FinishReason, Reply, Request, estimated_usage
from compiled_ai.records import Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model as ProviderModel

T = TypeVar("T")


@dataclass(frozen=True)
class Retries:
    """How often and how long a request is tried again."""

    attempts: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    """A provider that asks for more than this is not waited for."""

    def wait_seconds(self, failures: int) -> float:
        """Doubles with each failure, with up to a quarter of jitter."""
        wait = self.first_wait_seconds * 2.0 ** (failures - 1)
        return float(min(wait * random.uniform(1, 1.25), self.longest_wait_seconds))


class LiveModel:
    """A provider's model. It is looked up, and its key asked for, when it is opened."""

    def __init__(
        self,
        name: str,
        *,
        budget: Budget | None = None,
        retries: Retries = Retries(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._model = _provider_model(name)
        self._budget = budget
        self._retries = retries
        self._sleep = sleep
        if budget is not None and budget.max_usd is not None:
            price_usd(name, Usage())

    def ask(self, request: Request) -> Reply:
        if self._budget is None:
            return self._ask(request, request.max_tokens)
        held = self._budget.reserve(request, self.name)
        reply: Reply | None = None
        try:
            reply = self._ask(request, held.output_tokens)
            return reply
        finally:
            held.settle(reply)

    def _ask(self, request: Request, max_tokens: int) -> Reply:
        started = time.perf_counter()
        for failures in range(1, self._retries.attempts + 1):
            try:
                response = _LOOP.run(_respond(self._model, request, max_tokens))
                return self._reply(request, response, (time.perf_counter() - started) * 1000)
            except Exception as fault:
                failure = _Failure.of(fault, self.name)
                last = failures == self._retries.attempts
                wait = failure.retry_after if failure.retry_after is not None else self._retries.wait_seconds(failures)
                if last or not failure.passing or wait > self._retries.longest_wait_seconds:
                    raise failure.error(failures, wait) from fault
            self._sleep(wait)
        raise ModelFailed(f"Model {self.name!r} is set to be asked {self._retries.attempts} times.")

    def _reply(self, request: Request, response: ModelResponse, milliseconds: float) -> Reply:
        text = "".join(part.content for part in response.parts if part.part_kind == "text")
        measured = response.usage.input_tokens or response.usage.output_tokens
        usage = estimated_usage(request, text)
        if measured:
            usage = Usage(
                input_tokens=response.usage.input_tokens,
                output_tokens=response.usage.output_tokens,
                requests=1,
                origin="measured",
            )
        provider, _, asked = self.name.partition(":")
        return Reply(
            text=text,
            usage=usage,
            origin="live",
            model=f"{provider}:{response.model_name or asked}",
            finish_reason=_FINISH.get(response.finish_reason or "", "unknown"),
            milliseconds=round(milliseconds, 1),
        )


_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "error": "error",
}


async def _respond(model: ProviderModel, request: Request, max_tokens: int) -> ModelResponse:
    from pydantic_ai.direct import model_request
    from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart
    from pydantic_ai.settings import ModelSettings

    parts = [UserPromptPart(request.prompt)]
    message = ModelRequest(parts=[SystemPromptPart(request.system), *parts] if request.system else parts)
    settings = ModelSettings(max_tokens=max_tokens)
    if "timeout" not in model.unsupported_settings:
        settings["timeout"] = request.timeout_seconds
    if "max_retries" not in model.unsupported_settings:
        settings["max_retries"] = 0  # retries are ours: bounded, and counted
    async with model:  # closes its connections when the last request that is under way is done
        asked = model_request(model, [message], model_settings=settings)
        return await asyncio.wait_for(asked, request.timeout_seconds)


@dataclass(frozen=True)
class _Failure:
    """A provider's error in our words: what happened, whether it may pass, what to do."""

    what: str
    remedy: str
    passing: bool
    retry_after: float | None = None

    @classmethod
    def of(cls, fault: Exception, name: str) -> _Failure:
        from pydantic_ai import exceptions as provider

        if isinstance(fault, CompiledAIError):
            raise fault
        status = fault.status_code if isinstance(fault, provider.ModelHTTPError) else None
        retry_after = fault.retry_after if isinstance(fault, provider.ModelAPIError) else None
        if isinstance(fault, provider.ModelAuthenticationError) or status in (401, 403):
            return cls(f"refused the key (HTTP {status})", "Check the key in the environment.", False)
        if isinstance(fault, provider.ModelNotFoundError) or status == 404:
            return cls(f"does not know the model (HTTP {status})", f"Check the name {name!r}.", False)
        if isinstance(fault, provider.ModelQuotaExceededError):
            return cls("says that the account's quota is used up", "Check the account's billing.", False)
        if isinstance(fault, provider.ModelContextWindowExceededError):
            return cls("says that the request is too long", "Show fewer or shorter examples.", False)
        if status is not None:
            passing = status in (408, 409, 425, 429) or status >= 500
            advice = "Try again later." if passing else "Check the model's name and limits."
            kind = getattr(fault, "provider_error_code", None) or getattr(fault, "provider_error_type", None)
            named = f" ({kind})" if isinstance(kind, str) else ""
            return cls(f"answered HTTP {status}{named}", advice, passing, retry_after)
        if isinstance(fault, (provider.ModelTimeoutError, provider.ModelRequestTimeout, TimeoutError)):
            return cls("did not answer in time", "Try again later.", True)
        if isinstance(fault, provider.ModelConnectionError):
            return cls("cut the connection, or none could be made", "Check the network and the base URL.", True)
        if isinstance(fault, (provider.ModelAPIError, provider.UnexpectedModelBehavior)):
            return cls("answered something that is not its own format", "Check the base URL.", True)
        if isinstance(fault, provider.UserError):
            return cls(f"cannot be asked: {fault}", "Check the model's name.", False)
        if isinstance(fault, (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError)):
            return cls(f"could not be understood ({type(fault).__name__})", "Check the base URL.", False)
        raise fault

    def error(self, tries: int, wait: float) -> ModelFailed:
        count = f" after {tries} tries" if tries > 1 else ""
        asks = f" and asks to wait {wait:.0f} seconds" if self.retry_after is not None and self.passing else ""
        told = {"caller": not self.passing and "too long" not in self.what}
        return ModelFailed(f"The model's provider {self.what}{asks}{count}.", remedy=self.remedy, details=told)


_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b")


def _provider_model(name: str) -> ProviderModel:
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    provider, colon, rest = name.partition(":")
    if not colon or not rest:
        raise ConfigError(
            f"Model name {name!r} names no provider.",
            remedy="Write PROVIDER:NAME (anthropic:..., openai:..., ollama:...), recorded:DIR or exchange:DIR.",
        )
    try:
        return infer_model(f"openai-chat:{rest}" if provider == "openai" else name)
    except UserError as fault:
        raise _unusable(name, str(fault)) from fault
    except ImportError as fault:
        raise ConfigError(
            f"Model {name!r} needs a package that is not installed: {fault.name or fault}.",
            remedy=f"Install pydantic-ai-slim[{provider}].",
        ) from fault
    except Exception as fault:  # a provider's own client refuses its settings in its own way
        raise _unusable(name, str(fault)) from fault


def _unusable(name: str, why: str) -> ConfigError:
    variables = sorted(set(_VARIABLE.findall(why)))
    if variables:
        listed = " or ".join(variables)
        return ConfigError(f"Model {name!r} needs {listed} in the environment.", remedy=f"Set {listed}.")
    known = ["anthropic", "openai", "ollama", "recorded", "exchange"]
    return ConfigError(f"Unknown model {name!r}.{suggest(name.partition(':')[0], known)}")


class _Loop:
    """One event loop in a thread of its own: requests work inside a running loop too (a notebook)."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._lock = Lock()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process != os.getpid():  # a forked child has the object, not the thread
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                Thread(target=self._loop.run_forever, name="models", daemon=True).start()
            return self._loop


_LOOP = _Loop()
