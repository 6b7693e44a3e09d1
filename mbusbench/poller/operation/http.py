"""The service over HTTP: `/health` and `/ready` for supervisors, `/metrics` for Prometheus, `/status` for people.

Starlette, served by uvicorn in the poller's own event loop: when that stands still, `/health` does not answer either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mbusbench.errors import MBusUsageError
from mbusbench.poller.status import StatusOf
from mbusbench.sinks.reading import utc_text

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

INSTALL = "pip install 'mbusbench[poller]'"
GRACE = 1
"""Seconds that requests under way get at the end."""


def application(status_of: StatusOf, registry: CollectorRegistry) -> Starlette:
    """The ASGI application."""
    from prometheus_client.exposition import choose_encoder
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def health(request: Request) -> Response:
        status = status_of()
        if status.stalled:
            return JSONResponse({"status": "stalled", "stalled": status.stalled}, 503)
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        is_ready = status_of().ready
        return JSONResponse({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    async def status(request: Request) -> Response:
        import json

        text = json.dumps(asdict(status_of()), default=_plain, ensure_ascii=False)
        return Response(text, media_type="application/json")

    pages = (health, ready, metrics, status)
    return Starlette(routes=[Route(f"/{page.__name__}", page, methods=["GET"]) for page in pages])


def _plain(value: object) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)


def listening(address: tuple[str, int]) -> socket.socket:
    """A socket that listens there. OSError where that is not possible."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise OSError(error.errno, f"http: {host}:{port}: {reason}") from None


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncGenerator[str]:
    """Serve while the block runs; its URL."""
    import uvicorn

    configuration = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE, server_header=False
    )
    server: Any = uvicorn.Server(configuration)
    # Signals are the service's own. Not an assignment: with the library there, a type checker knows it as a method.
    setattr(server, "capture_signals", contextlib.nullcontext)  # noqa: B010
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_installed() -> None:
    """MBusUsageError, with what to install, where the libraries are missing."""
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MBusUsageError(f"http: {error.name} is not installed: {INSTALL}") from None
