"""What the commands that speak to a running engine share: how they ask, and how they end."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, Final

from infra.cli.render import print_json
from infra.cli.source import store_in
from infra.signals.client import NoAnswerError, ask_door

FAILED, WRONG_USE, NO_ENGINE, HALTED = 1, 2, 3, 4

_WRONG: Final = ("invalid", "conflict")


def ask(args: Namespace, request: Mapping[str, object], show: Callable[[Any], int]) -> int:
    """Put a question to the engine on the command's store and show its answer.

    Returns:
        What ``show`` says; 2 when the question was wrong, 1 when it was refused for another
        reason, 3 when no engine answers.
    """
    try:
        answer = ask_door(store_in(args.store), request)
    except NoAnswerError as none:
        return _refused(args, {"code": "no_engine", "field": "", "problem": str(none)}, NO_ENGINE)
    error = answer.get("error")
    if isinstance(error, dict):
        return _refused(args, error, WRONG_USE if error["code"] in _WRONG else FAILED)
    if args.json:
        print_json(answer)
    return show(answer)


def _refused(args: Namespace, error: Mapping[str, Any], code: int) -> int:
    if args.json:
        print(json.dumps({"error": error}))
    else:
        field = f"{error['field']}: " if error["field"] else ""
        print(f"oncefill: {field}{error['problem']}", file=sys.stderr)
    return code
