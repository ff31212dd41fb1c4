"""The dashboard served to this machine from a thread, as `ibgap dashboard` serves it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from dashboard.app import make_app
from dashboard.security import Access


class Server:
    """A dashboard on a free port. url: its address without a slash at the end."""

    def __init__(self, releases: Path) -> None:
        self.releases = releases
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(releases, Access()), log_level="critical", lifespan="off", ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop answering; the port is closed afterwards."""
        self._server.should_exit = True
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()
        self._socket.close()


@contextmanager
def serving(releases: Path) -> Iterator[Server]:
    server = Server(releases)
    try:
        yield server
    finally:
        server.stop()
