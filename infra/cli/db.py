"""``run.py db upgrade``: bring an older store's tables up to date."""

from argparse import Namespace

from infra.cli.render import print_json, say
from infra.cli.source import find_store
from infra.clock import SystemClock
from infra.store.store import upgrade_store
from infra.store.tables import SCHEMA_VERSION


def run(args: Namespace) -> int:
    """Upgrade the store; no engine may run on it."""
    place = find_store(args.store)
    version = upgrade_store(place, clock=SystemClock())
    if args.json:
        print_json({"store": str(place), "was": version, "now": SCHEMA_VERSION})
    elif version == SCHEMA_VERSION:
        say(f"{place} has schema {version}: up to date.")
    else:
        say(f"{place}: schema {version} is now {SCHEMA_VERSION}.", style="green")
    return 0
