"""What reaches a terminal."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from veduta.cli.console import Live, guard, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_control_sequences_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    guard()
    name = "x\x1b]0;pwned\x07\x9b2J\u202egpj.exe\r"
    typer.echo(name)
    typer.echo(name, err=True)
    table(["key"], [[name]])
    on = Live()
    on.stage("ingest", 1)
    on.say(name)
    on.done()
    for written in (out.getvalue(), err.getvalue()):
        assert "x\\x1b]0;pwned\\x07\\x9b2J\\u202egpj.exe\\r" in written.replace("\n", "")
        assert not any(c in written for c in ("\x1b]", "\x07", "\x9b", "\u202e"))
    assert "\r\x1b[K" in err.getvalue()  # what Veduta draws


def test_a_pipe_gets_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    guard()
    table(["key"], [["x\x1by"]])
    assert out.getvalue() == "key\nx\x1by\n"
