"""The seeded market: a walk in whole ticks inside the price limits, the same for the same seed."""

from decimal import Decimal

from domain.instrument import KOSPI_DEFAULT, Instruments, is_on_tick, price_band
from domain.session import ALWAYS_OPEN, Session
from domain.terms import Symbol
from infra.brokers.paper import PaperMarket, SeededMarket, Walk
from tests.fakes_time import ManualClock

OPENING = {Symbol("005930"): Decimal(70_000), Symbol("000660"): Decimal(199_900)}


def walked(seed: int, *, session: Session = ALWAYS_OPEN, walk: Walk | None = None, for_s=60.0):
    """Return the quotes of a walk, its feed and its clock."""
    clock, quotes = ManualClock(), []
    market = PaperMarket(Instruments(), Decimal("0.1"))
    market.listen(quotes.append)
    feed = SeededMarket(
        market,
        opening=OPENING,
        instruments=Instruments(),
        session=session,
        clock=clock,
        scheduler=clock,
        seed=seed,
        walk=walk,
    )
    feed.start()
    clock.advance(for_s)
    return quotes, feed, clock


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    assert walked(1)[0] == walked(1)[0]
    assert walked(1)[0] != walked(2)[0]


def test_every_price_is_on_a_tick_and_inside_the_price_limits():
    quotes, _, _ = walked(3, walk=Walk(interval_s=0.25, max_ticks=60))

    on = quotes[0].at.date()
    assert len(quotes) == 2 + 2 * 240
    for quote in quotes:
        lowest, highest = price_band(KOSPI_DEFAULT, quote.base_px, on)
        assert is_on_tick(KOSPI_DEFAULT, quote.last_px, on)
        assert lowest <= quote.last_px <= highest
    assert len({quote.last_px for quote in quotes}) > 20


def test_the_close_of_one_day_is_the_base_of_the_next_and_nothing_moves_at_night():
    session = Session()
    quotes, _, _ = walked(4, session=session, walk=Walk(interval_s=600), for_s=86_400)

    days = sorted({session.trade_date(each.at) for each in quotes})
    samsung = [each for each in quotes if each.symbol == "005930"]
    close = [each for each in samsung if session.trade_date(each.at) == days[0]][-1]
    opening = next(each for each in samsung if session.trade_date(each.at) == days[1])
    assert opening.base_px == close.last_px
    assert all(session.is_open(each.at) for each in quotes if each is not close)


def test_a_stopped_market_moves_no_more():
    quotes, feed, clock = walked(5)
    seen = len(quotes)

    feed.stop()
    clock.advance(60)

    assert len(quotes) == seen
    assert clock.pending == 0


def test_a_market_stopped_before_it_started_stays_still():
    clock = ManualClock()
    market = PaperMarket(Instruments(), Decimal("0.1"))
    feed = SeededMarket(
        market,
        opening=OPENING,
        instruments=Instruments(),
        session=ALWAYS_OPEN,
        clock=clock,
        scheduler=clock,
        seed=1,
    )

    feed.stop()

    assert market.quote(Symbol("005930")) is None
    assert market.available(Symbol("005930")) == 0
