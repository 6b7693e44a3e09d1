"""Entry point of `mbusbench`: finds the command, and turns whatever goes wrong into one line and an exit code.

A command is imported when it is called, so `--version` and `--help` cost little more than the interpreter. Commands
raise; only this file decides what the user sees of it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from mbusbench import __version__
from mbusbench.cli.exit_codes import INTERNAL, INTERRUPTED, PIPE_CLOSED, USAGE, exit_code, explanation
from mbusbench.errors import DefinitionError, MBusError

_COMPLETION = "_MBUSBENCH_COMPLETE"  # set by the shell's completion function

COMMANDS = {
    "demo": "Serve the shipped meters on a TCP port and read them.",
    "serve": "Put meters on a virtual bus and serve it.",
    "read": "Read meters: all telegrams of each, as values in units.",
    "ping": "Ask which addresses answer.",
    "scan": "Find the meters on a bus by their primary addresses.",
    "search": "Find the meters on a bus by their secondary addresses.",
    "alarm": "Ask meters for alarms.",
    "reset": "Reset the application of meters, or choose another.",
    "set-address": "Give a meter another primary address.",
    "set-baud": "Switch a meter to another baud rate.",
    "find-baud": "Find the baud rate of meters.",
    "set-clock": "Set the clock of meters.",
    "send": "Send any command.",
    "poll": "Read many meters again and again, as a file says, and give the readings on.",
    "healthcheck": "Ask a poller how it is.",
    "sniff": "Stand between a master and a bus, and show what they say.",
    "record": "Make device and bus files of a bus that answers now.",
    "import": "Make device and bus files of what was recorded.",
    "decode": "Show what is in a frame.",
    "encode": "Build a frame: the inverse of decode.",
    "trace": "Show or compare what was recorded on a bus.",
    "devices": "List the catalogue of meters, or show one.",
    "quirks": "List what meters do differently, by name.",
    "run": "Run scenarios against a master, and judge it.",
    "conform": "Run the conformance catalogue against a master.",
    "explore": "Run scenarios under random faults.",
    "shrink": "Reduce a fault schedule that fails to the smallest one.",
    "report": "Show results of run and conform: as text, HTML, Markdown, JUnit.",
    "driver": "Be judged: do what a bench says in the environment.",
}

MODULES = {"import": "import_"}


class CommandGroup(click.Group):
    """Knows its commands by name; imports `mbusbench.cli.<name>` (with `_` for `-`) when one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"mbusbench.cli.{MODULES.get(cmd_name, cmd_name.replace('-', '_'))}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a meter failed, 2 usage or file error, 3 no connection.",
)
@click.version_option(__version__, prog_name="mbusbench", message="%(prog)s %(version)s")
@click.pass_context
def application(context: click.Context) -> int | None:
    """M-Bus without hardware: virtual meters, and the master that reads them and real ones."""
    if context.invoked_subcommand is not None:
        return None
    click.echo(context.get_help(), err=True)
    return USAGE


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line; return the exit code. Nothing but `SystemExit` of a foreign library comes out of it."""
    debug = bool(os.environ.get("MBUSBENCH_DEBUG"))
    try:
        result = _dispatch(arguments)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _complain(_usage_line(error))
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_stdout()
        return PIPE_CLOSED
    except (MBusError, OSError) as error:
        if debug:
            raise
        _give_up_stdout()
        _complain(explanation(error), prefix=not isinstance(error, DefinitionError))
        return exit_code(error)
    except Exception as error:
        if debug:
            raise
        _complain(
            f"internal error: {type(error).__name__}: {error}. "
            "Run again with MBUSBENCH_DEBUG=1 to see the traceback, and please report it."
        )
        return INTERNAL
    return result if isinstance(result, int) else 0


def _give_up_stdout() -> None:
    """Where stdout takes no more, the interpreter's own flush at the end must not fail once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(arguments: list[str]) -> object:
    if _COMPLETION in os.environ:
        return application.main(arguments, prog_name="mbusbench", standalone_mode=False)
    # Not through main(): that would end the process by itself when the reader of its output is gone.
    with application.make_context("mbusbench", arguments) as context:
        return application.invoke(context)


def _usage_line(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mbusbench"
    message = " ".join(error.format_message().split())
    return f"{message.removesuffix('.')}. Try '{command} --help'."


def _complain(message: str, *, prefix: bool = True) -> None:
    text = " ".join(message.split()) if prefix else message
    click.echo(f"mbusbench: {text}" if prefix else text, err=True)
