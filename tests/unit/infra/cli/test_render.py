"""How values and tables look."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from infra.cli import render
from infra.cli.render import Column
from infra.plain import clean
from tests.unit.domain.orders import NOW, a_signal


@pytest.mark.parametrize(
    ("value", "text"),
    [("1234567", "1,234,567"), ("1E+3", "1,000"), ("0.50", "0.5"), ("-70000.00", "-70,000")],
)
def test_numbers_are_exact_with_separators(value, text):
    assert render.number(Decimal(value)) == text


def test_amounts_are_rounded_half_to_even_and_carry_a_sign_when_asked():
    assert render.number(None) == render.amount(None) == "-"
    assert render.amount(Decimal("66666.665")) == "66,666.66"
    assert render.signed(Decimal(200_000)) == "+200,000"
    assert render.signed(Decimal("-0.5")) == "-0.5"
    assert render.signed(Decimal("0.001")) == "0"


def test_times_are_the_exchanges():
    at = datetime(2026, 3, 1, 15, 0, 0, 1999, tzinfo=UTC)

    assert render.exchange_time(at) == "2026-03-02 00:00:00"
    assert render.exchange_time(at, ms=True) == "2026-03-02 00:00:00.001"
    assert render.exchange_time(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.003, "0.003 s"),
        (65, "1 min 05 s"),
        (3_660, "1 h 01 min"),
        (90_000, "1 d 01 h"),
        (-1, "-1.000 s"),
    ],
)
def test_durations_are_words(seconds, text):
    assert render.duration(timedelta(seconds=seconds)) == text


def test_text_from_outside_cannot_write_on_the_terminal():
    assert clean("\x1b[31mred\n[bold]\x07") == "?[31mred [bold]?"
    assert render.short("abcdef", 4) == "abc…"


def test_json_has_text_for_decimals_and_utc_for_times():
    shown = render.jsonable({"signal": a_signal(deadline=NOW), "some": (Decimal("1E+2"), None, 1)})

    assert shown["some"] == ["100", None, 1]
    assert shown["signal"]["side"] == "BUY"
    assert shown["signal"]["deadline"] == "2026-03-02T00:30:00.000000Z"


def test_names_survive_an_old_locale(capsysbinary, monkeypatch):
    class Old:
        encoding = "ascii"

    printed = []
    monkeypatch.setattr(render, "_print", printed.append)
    monkeypatch.setattr("sys.stdout", Old())

    render.print_json({"name": "삼성전자"})

    monkeypatch.undo()
    assert printed[0].isascii()
    assert json.loads(printed[0]) == {"name": "삼성전자"}


def test_markup_in_a_broker_s_text_stays_text(terminal, capsys):
    terminal(60)

    render.show_table([Column(title="reason", wraps=True)], [("[bold]no[/bold] [40270000]",)])
    render.say("[red]x")
    render.show_facts({"reason": "[red]y"})

    shown = capsys.readouterr().out
    assert "[bold]no[/bold] [40270000]" in shown
    assert "[red]x" in shown
    assert "[red]y" in shown


def test_no_line_of_a_hopelessly_narrow_terminal_loses_a_number(terminal, capsys):
    terminal(20)
    columns = [Column(title="qty", is_number=True), Column(title="why", wraps=True)]

    render.show_table(columns, [("1,234,567", "a long story that has to be told in full")])

    shown = capsys.readouterr().out
    assert "…" not in shown
    assert "full" in shown
