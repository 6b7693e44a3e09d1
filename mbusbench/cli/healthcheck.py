"""`mbusbench healthcheck`: asks a poller on this host how it is; for containers and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mbusbench.cli.exit_codes import METER_FAILED
from mbusbench.cli.output import message, print_line

if TYPE_CHECKING:
    from http.client import HTTPResponse

DEFAULT_URL = "http://127.0.0.1:9110"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Who listens everywhere is asked on the loopback."""


@click.command(name="healthcheck")
@click.argument("where", metavar="[URL|CONFIG]", default=DEFAULT_URL)
@click.option("--ready", is_flag=True, help="Ask whether it does its work, and not only whether it is alive.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=5.0, help="Seconds to wait.")
def command(where: str, ready: bool, timeout: float) -> int:
    """Ask a poller how it is: exit code 0 where it is well, 1 where it is not or does not answer.

    URL is where it serves HTTP; of a configuration file that is read. http://127.0.0.1:9110 if not given.
    """
    import urllib.error
    import urllib.request

    url = f"{_base(where)}/{'ready' if ready else 'health'}"
    # No proxy: the poller is on this host.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout) as response:
            print_line(_text(response))
    except urllib.error.HTTPError as error:
        with error:
            message(f"mbusbench: {url}: {error.read(2000).decode('utf-8', 'replace')}")
        return METER_FAILED
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        message(f"mbusbench: {url}: {getattr(reason, 'strerror', None) or reason}")
        return METER_FAILED
    return 0


def _text(response: HTTPResponse) -> str:
    return response.read(2000).decode("utf-8", "replace")


def _base(where: str) -> str:
    if where.startswith(("http://", "https://")):
        return where.rstrip("/")
    from mbusbench.poller.definition import PollerFile

    if not Path(where).exists():
        raise click.UsageError(f"{where!r} is neither a URL nor a configuration file")
    http = PollerFile.read(where).http
    if http is None:
        raise click.UsageError(f"{where} has no http: nobody can ask this poller")
    host, port = http.listen
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
