"""Print versions of figures, made by one worker process so that pages never wait for Matplotlib."""

from __future__ import annotations

import atexit
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor

from ibgap.figures.print import print_figure

_LONGEST = 60.0
_lock = threading.Lock()
_worker: ProcessPoolExecutor | None = None


def print_in_turn(svg: str, form: str) -> bytes:
    """The figure as `pdf` or `png`; calls wait for each other."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
            atexit.register(_worker.shutdown, wait=False, cancel_futures=True)
        worker = _worker
    try:
        return worker.submit(print_figure, svg, form).result(timeout=_LONGEST)
    except Exception:
        # A worker that died takes its pool along; the next call starts another.
        with _lock:
            _worker = None
        raise
