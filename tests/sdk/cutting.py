"""A TCP proxy that cuts connections, as networks do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

PIECE = 16_384


@dataclass
class CuttingProxy:
    """Passes bytes on to `upstream`; cuts the connection that carries the byte a budget ends with.

    `cut_up` and `cut_down` are budgets of bytes to and from the server, each used once, in order; a dead proxy cuts
    every connection at once.
    """

    upstream: tuple[str, int]
    cut_up: list[int] = field(default_factory=list)
    cut_down: list[int] = field(default_factory=list)
    dead: bool = False
    cuts: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.dead:
                self._cut(client)
                continue
            server = socket.create_connection(self.upstream)
            for source, target, budgets in ((client, server, self.cut_up), (server, client, self.cut_down)):
                threading.Thread(target=self._pump, args=(source, target, budgets), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, budgets: list[int]) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if self._is_spent(budgets, len(piece)):
                    self._cut(source, target)
                    return
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def _is_spent(self, budgets: list[int], size: int) -> bool:
        with self._lock:
            if self.dead:
                return True
            if not budgets:
                return False
            budgets[0] -= size
            if budgets[0] > 0:
                return False
            budgets.pop(0)
            return True

    def _cut(self, *sockets: socket.socket) -> None:
        """A reset, not a polite end."""
        with self._lock:
            self.cuts += 1
        for each in sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Shutting down wakes the thread that reads from it.
                each.shutdown(socket.SHUT_RDWR)
            each.close()
