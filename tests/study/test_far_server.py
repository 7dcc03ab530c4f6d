"""A tracking server that answers slowly is written to side by side, on connections that stay."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient

from study.record.opening import writers_of


@pytest.fixture
def server():
    """A server that takes each request after a tenth of a second, and counts connections."""
    opened = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            opened.append(self.client_address)
            super().setup()

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(0.1)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 100
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", opened
        server.shutdown()


def test_each_writer_keeps_its_connection(server):
    uri, opened = server
    client, writers = MlflowClient(uri), writers_of(uri)
    with ThreadPoolExecutor(writers) as pool:
        for _ in range(5):
            list(pool.map(lambda _: client.set_experiment_tag("1", "a", "b"), range(writers)))
    assert writers > 8 and len(opened) <= writers
