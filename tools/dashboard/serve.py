"""``python -m tools.dashboard.serve PORT`` serves the pages to this machine alone, which `asv preview` does not."""

from __future__ import annotations

import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from asv.config import Config

from tools.dashboard.measure import CONFIG
from tools.dashboard.publish import START


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and writes no log: the many files of asv's pages would bury the address."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(port: int) -> int:
    """Serve until Ctrl-C; return the exit status."""
    folder = Path(Config.load(CONFIG).html_dir)
    if not (folder / START).exists():
        sys.stderr.write("There are no pages yet: run `make dashboard` first.\n")
        return 1
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), functools.partial(QuietHandler, directory=folder))
    except OSError as error:
        sys.stderr.write(
            f"Port {port} cannot be used ({error.strerror}); name another: make dashboard-serve PORT=8081\n"
        )
        return 1
    with server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/ until Ctrl-C\n")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
