"""One call's way into the ledger: opened before it leaves, settled exactly once however it ends."""

from collections.abc import Callable
from decimal import Decimal

from meterr import ledger
from meterr.core.errors import MeterrError
from meterr.core.http.asgi import Headers
from meterr.core.ids import unix_ms_of
from meterr.core.money import wire
from meterr.core.telemetry import RequestLine
from meterr.gateway.admission import Admitted
from meterr.gateway.errors import PriceUnknown
from meterr.gateway.holding import Hold
from meterr.gateway.metering import Reading
from meterr.gateway.rate_headers import SHOWN, rate_headers
from meterr.ledger.drawn import Known, beside, drawn
from meterr.ledger.journal import Durability
from meterr.ledger.journal.estimate import estimated
from meterr.ledger.model import Opened, Price, Progress, Settled, Usage
from meterr.ledger.price_context import context_of

_PROGRESS_EVERY_S = 1.0
_PROVIDER_ID_BYTES_MAX = 128
_PRICERS_MAX = 4096
"""Price versions whose compiled form is kept; a deployment uses some dozens."""

_NOTHING = Decimal(0)
NOT_BILLED = Usage()
"""What a call used that the provider refused or never saw."""


class Books:
    """What every call writes to and is priced by; one for the process."""

    def __init__(
        self,
        journal: ledger.Journal,
        prices: ledger.PriceBook,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self.journal = journal
        self.prices = prices
        self.monotonic = monotonic
        self.waits_for_disk = journal.durability is Durability.POWER
        self._pricers: dict[str, ledger.Pricer] = {}

    def cost(self, price: Price, usage: Usage) -> Decimal | None:
        """Return US dollars, or None when ``usage`` holds a class that ``price`` does not know."""
        pricer = self._pricers.get(price.id)
        if pricer is None:
            if len(self._pricers) >= _PRICERS_MAX:
                self._pricers.clear()
            pricer = self._pricers[price.id] = ledger.Pricer(price)
        return pricer.cost(usage)


class Call:
    """
    The ledger's side of one admitted call.

    ``settle`` takes effect once; later calls do nothing, so that a ``finally`` may always say it.
    """

    __slots__ = (
        "_answer_headers",
        "_books",
        "_held",
        "_line",
        "_next_progress",
        "_opened_at",
        "admitted",
        "answer_bytes",
        "call_id",
        "client_gone",
        "entry",
        "first_byte_ms",
        "has_left",
        "opened",
    )

    def __init__(
        self,
        books: Books,
        line: RequestLine,
        admitted: Admitted,
        request_bytes: int,
        held: Hold | None = None,
    ) -> None:
        self._books = books
        self._line = line
        self.call_id = line.request_id
        self.admitted = admitted
        self.opened = _opened(self.call_id, admitted, request_bytes, held)
        self._held = held
        self.client_gone = False
        self.has_left = False
        self.answer_bytes = 0
        self.first_byte_ms = 0
        self._answer_headers: dict[bytes, bytes] = {}
        self.entry: Settled | None = None
        self._opened_at = 0.0
        self._next_progress = 0.0

    def open(self) -> None:
        """
        Write the call to the journal; when this returns it survives ``kill -9``.

        When it raises, what the call held of its limits has been given back.
        """
        self._opened_at = self._books.monotonic()
        self._next_progress = self._opened_at + _PROGRESS_EVERY_S
        try:
            self._books.journal.opened(self.opened, self.admitted.price)
        # Whatever kept it from being written: the call does not leave, so it holds nothing.
        except BaseException:
            self._end_hold(Decimal(0), NOT_BILLED, left=False)
            raise

    def leave(self) -> None:
        """Note that the call leaves for its provider now."""
        self.has_left = True
        if self._held is not None:
            self._held.leave()

    def note_client_gone(self) -> None:
        """Note that the caller has left; the provider may work on, and bill."""
        self.client_gone = True

    def answered(self, headers: Headers) -> None:
        """Note that the head of the provider's answer is here."""
        self.first_byte_ms = self._elapsed_ms()
        self._answer_headers = dict(headers)

    def answer_header(self, name: bytes) -> bytes:
        """Return a header of the provider's answer, of several alike the last, or nothing."""
        return self._answer_headers.get(name, b"")

    def rates(self) -> Headers:
        """Return the headers that say what is now left of the caller's own rates, if any hold."""
        if self._held is None:
            return []
        states = self._held.reservation.states_of(SHOWN)
        if not states:
            return []
        at_unix_ms = unix_ms_of(self.call_id) + self._elapsed_ms()
        return rate_headers(self.admitted.surface.family, states, at_unix_ms)

    def _provider_request_id(self) -> str:
        found = self._answer_headers
        value = found.get(b"x-request-id") or found.get(b"request-id") or b""
        return value[:_PROVIDER_ID_BYTES_MAX].decode("latin-1")

    def progress_is_due(self) -> bool:
        """Say whether a running stream's state should be noted now."""
        return self._books.monotonic() >= self._next_progress and self.entry is None

    def progress(self, usage: Usage | None, answer_chars: int) -> None:
        """Note a running stream's state: what an interrupted call would be priced by."""
        self._next_progress = self._books.monotonic() + _PROGRESS_EVERY_S
        self._books.journal.progress(
            Progress(id=self.call_id, usage=usage, answer_chars=answer_chars)
        )

    def settle(
        self,
        reading: Reading | None,
        *,
        status: int,
        outcome: str,
        error: MeterrError | None = None,
        final: bool = True,
        answer_chars: int = 0,
        left: bool = True,
    ) -> None:
        """
        Close the call.

        Args:
            reading: What the provider reported; None when the call was not billed at all.
            status: HTTP status sent to the caller, 0 when it left before one was sent.
            outcome: How it ended, from the closed list in docs/reference/ledger.md.
            error: Our error, if one was sent.
            final: Whether the provider said all it had to say; else its counts are a lower bound.
            answer_chars: Characters of answer text seen; an estimate starts from them.
            left: Whether any of it may have reached the provider; else limits do not count it.
        """
        if self.entry is not None:
            return
        usage, estimate = self._usage(reading, final, answer_chars)
        price, cost = self._priced(reading, usage)
        usd = self._drawn(reading, final, cost)
        opened = self.opened
        self.entry = entry = Settled(
            id=opened.id,
            tenant=opened.tenant,
            key=opened.key,
            surface=opened.surface,
            upstream=opened.upstream,
            provider=opened.provider,
            model=opened.model,
            answered_model=reading.model if reading else "",
            price=price.id if price else "",
            stream=opened.stream,
            status=status,
            outcome=outcome,
            error=error.code
            if error
            else _problem_code(reading) or self._pricing_code(usage, cost),
            usage=usage,
            estimate=estimate,
            cost=None if cost is None else wire(cost),
            request_bytes=opened.request_bytes,
            answer_bytes=self.answer_bytes,
            first_byte_ms=self.first_byte_ms,
            duration_ms=self._elapsed_ms(),
            provider_request_id=self._provider_request_id(),
            leases=opened.leases,
            drawn=beside(cost, usd) if opened.leases else None,
        )
        self._books.journal.settled(entry, price)
        self._end_hold(usd, usage, left=left)
        self._note(entry, usage)

    def _end_hold(self, usd: Decimal, usage: Usage, *, left: bool) -> None:
        if self._held is None:
            return
        if left:
            self._held.settle(usd, usage.prompt_tokens + usage.answer_tokens)
        else:
            self._held.release()

    def _pricing_code(self, usage: Usage, cost: Decimal | None) -> str:
        """Say why an entry has no cost although there was something to pay."""
        unpriced = cost is None and self.admitted.surface.billed and usage != NOT_BILLED
        return PriceUnknown.code if unpriced else ""

    def _note(self, entry: Settled, usage: Usage) -> None:
        line = self._line
        line.status = entry.status
        line.outcome = entry.outcome
        line.error_code = entry.error
        line.tokens_in, line.tokens_out = usage.prompt_tokens, usage.answer_tokens
        line.cost_usd = entry.cost or ""

    def _usage(self, reading: Reading | None, final: bool, answer_chars: int) -> tuple[Usage, str]:
        if reading is None or not self.admitted.surface.billed:
            return NOT_BILLED, ""
        if reading.usage is not None and final:
            return reading.usage, ""
        if not self.admitted.surface.streams:
            answer_chars = 0  # vectors are no answer tokens, and no embedding model prices them
        so_far = Progress(id=self.call_id, usage=reading.usage, answer_chars=answer_chars)
        return estimated(self.opened, so_far)

    def _drawn(self, reading: Reading | None, final: bool, cost: Decimal | None) -> Decimal:
        """Return what the call draws from each of its budgets; nothing if none holds."""
        if self._held is None:
            return _NOTHING
        known = Known.IN_PART
        if reading is None or not self.admitted.surface.billed:
            known = Known.NOTHING_USED
        elif final and reading.usage is not None and not reading.problem and self._tells_all():
            known = Known.REPORTED
        return drawn(known, cost, self._held.usd)

    def _tells_all(self) -> bool:
        """Whether the surface's usage has a place for all that this call may have used."""
        bounds = self._held.bounds if self._held else None
        searches = bounds is not None and (bounds.web_searches != 0 or bounds.web_fetches != 0)
        return self.admitted.surface.tells_searches or not searches

    def _priced(self, reading: Reading | None, usage: Usage) -> tuple[Price | None, Decimal | None]:
        """
        Price by what the provider says it used: its model and its service tier.

        A tier without a known price has no cost, rather than the standard one.
        """
        admitted = self.admitted
        price = admitted.price
        if reading is None or not admitted.surface.billed:
            return price, Decimal(0) if price else None
        context = context_of(reading.tier) if reading.tier else admitted.context
        if context is None:
            return None, None
        if context != admitted.context or reading.model not in ("", admitted.facts.model):
            price = self._answered_price(reading.model, context)
        return price, None if price is None else self._books.cost(price, usage)

    def _answered_price(self, model: str, context: str) -> Price | None:
        admitted, prices = self.admitted, self._books.prices
        at = unix_ms_of(self.call_id)
        provider = admitted.upstream.provider
        price = prices.resolve(provider, model, context, at) if model else None
        return price or prices.resolve(provider, admitted.facts.model, context, at)

    def _elapsed_ms(self) -> int:
        return int((self._books.monotonic() - self._opened_at) * 1000)


def _opened(call_id: str, admitted: Admitted, request_bytes: int, held: Hold | None) -> Opened:
    leases = held.reservation.leases if held else ()
    return Opened(
        id=call_id,
        tenant=admitted.principal.tenant_id,
        key=admitted.principal.key_id,
        surface=admitted.surface.name,
        upstream=admitted.upstream.name,
        provider=admitted.upstream.provider,
        model=admitted.facts.model,
        price=admitted.price.id if admitted.price else "",
        stream=admitted.facts.stream,
        request_bytes=request_bytes,
        leases=leases,
        reserved=wire(held.usd) if held and leases else "",
        input_max=(held.bounds.input_tokens or 0) if held else 0,
        output_max=(held.bounds.output_tokens or 0) if held else 0,
    )


def _problem_code(reading: Reading | None) -> str:
    return f"usage-{reading.problem}" if reading and reading.problem else ""
