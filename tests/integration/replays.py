"""Prices to replay, and the command that replays them."""

from infra.cli import replay
from infra.cli.main import parse
from run import simulate_engine
from tests.house.files import ROOT

KRX_DAILY = ROOT.parent / "shared" / "data" / "krx_daily"

HEADER = "date,symbol,open,high,low,close,volume"
# Fast 1 and slow 2: long after a close above the one before, flat after one below.
QUICK = ("--fast", "1", "--slow", "2")

# From 50,000 the tick is 100. The second sale settles on 2019-06-03, when the tax falls.
SAMSUNG = (
    "2019-05-23,005930,50000,50000,50000,50000,1000000",
    "2019-05-24,005930,50100,50100,50100,50100,1000000",
    "2019-05-27,005930,50110,50110,50050,50050,1000000",
    "2019-05-28,005930,50090,50200,50090,50200,1000000",
    "2019-05-29,005930,50200,50200,50100,50100,1000000",
    "2019-05-30,005930,50100,50100,50100,50100,1000000",
)
KODEX = (
    "2019-05-23,069500,28000,28000,28000,28000,1000000",
    "2019-05-24,069500,28100,28100,28100,28100,1000000",
    "2019-05-27,069500,28101,28101,28000,28000,1000000",
    "2019-05-28,069500,27999,27999,27999,27999,1000000",
)


def write(folder, *rows, name="prices.csv"):
    path = folder / name
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def run(*argv, launch=simulate_engine):
    return replay.run(parse(["replay", *map(str, argv)]), launch)


def thin(volume):
    """Return the prices with little volume on the day of the first buy."""
    third = f"2019-05-27,005930,50200,50300,50100,50250,{volume}"
    return (*SAMSUNG[:2], third)
