"""A limit on tokens and money that stops *before* the call that would pass it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock

from compiled_ai.errors import BudgetExceeded, ConfigError
from compiled_ai.models.request import Reply, Request
from compiled_ai.records import Usage

_ESTIMATE_MARGIN = 5, 4
"""An estimated prompt counts for a quarter more than estimated, so that a limit holds although estimates err."""
LEAST_REPLY = 1024
"""Fewer tokens than this are no room for a function: rather stop than buy a truncated reply."""


@dataclass
class Budget:
    """Limits for all calls made under it, from however many threads. None: no such limit."""

    max_tokens: int | None = None
    """Input and output tokens together."""
    max_usd: Decimal | None = None
    spent: Usage = field(default_factory=Usage)
    spent_usd: Decimal = Decimal(0)
    _held_tokens: int = 0
    _held_usd: Decimal = Decimal(0)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def reserve(self, request: Request, model: str, known: Usage | None = None) -> Reservation:
        """Sets aside what a call may cost at most; raises `BudgetExceeded` if there is not enough left.

        `known` is the usage of a reply that exists already (recorded, exchange): that is then what is set aside.
        Otherwise the reply's limit shrinks to what the budget leaves (never below `LEAST_REPLY`).
        """
        with self._lock:
            asked = known or self._worst_case(request)
            tokens = asked.input_tokens + asked.output_tokens
            usd = Decimal(0) if self.max_usd is None else price_usd(model, asked)
            self._check(request, tokens, usd)
            self._held_tokens += tokens
            self._held_usd += usd
            return Reservation(self, model, tokens, usd, asked.output_tokens)

    def _worst_case(self, request: Request) -> Usage:
        more, base = _ESTIMATE_MARGIN
        prompt = -(-request.estimated_tokens * more // base)
        output = request.max_tokens
        if self.max_tokens is not None:
            left = self.max_tokens - self._used_tokens - prompt
            output = min(output, max(left, min(LEAST_REPLY, output)))
        return Usage(input_tokens=prompt, output_tokens=output, requests=1, origin="estimated")

    @property
    def _used_tokens(self) -> int:
        return self.spent.input_tokens + self.spent.output_tokens + self._held_tokens

    def _check(self, request: Request, tokens: int, usd: Decimal) -> None:
        if self.max_tokens is not None and self._used_tokens + tokens > self.max_tokens:
            raise BudgetExceeded(
                f"The call for {request.purpose!r} may take {tokens} tokens; {self._used_tokens} of "
                f"{self.max_tokens} are used.",
                remedy="Raise --max-tokens, or lower --max-attempts.",
            )
        if self.max_usd is not None and self.spent_usd + self._held_usd + usd > self.max_usd:
            raise BudgetExceeded(
                f"The call for {request.purpose!r} may cost {usd:.4f} USD; {self.spent_usd + self._held_usd:.4f} of "
                f"{self.max_usd} are used.",
                remedy="Raise --max-usd, or lower --max-attempts.",
            )

    def _settle(self, held: Reservation, reply: Reply | None) -> None:
        usd = Decimal(0) if reply is None or self.max_usd is None else price_usd(held.model, reply.usage)
        with self._lock:
            self._held_tokens -= held.tokens
            self._held_usd -= held.usd
            if reply is not None:
                self.spent = self.spent + reply.usage
                self.spent_usd += usd


@dataclass(frozen=True)
class Reservation:
    """What one call may cost; `settle` it with the reply, or with None if there was none."""

    budget: Budget
    model: str
    tokens: int
    usd: Decimal
    output_tokens: int
    """Most tokens that the reply may have."""

    def settle(self, reply: Reply | None) -> None:
        self.budget._settle(self, reply)


def price_usd(model: str, usage: Usage) -> Decimal:
    """Returns the list price of a call; raises `ConfigError` if the price of the model is not known."""
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    provider, _, name = model.rpartition(":")
    try:
        priced = calc_price(
            PricedUsage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens),
            name,
            provider_id=_PRICE_PROVIDERS.get(provider, provider) or None,
        )
    except LookupError:
        raise ConfigError(
            f"The price of model {model!r} is not known, so a limit in USD cannot be kept.",
            remedy="Use --max-tokens instead of --max-usd.",
        ) from None
    return Decimal(priced.total_price)


_PRICE_PROVIDERS = {"openai-chat": "openai", "openai-responses": "openai"}
