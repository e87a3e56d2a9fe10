"""A proxy before the catalog that loses, repeats and replaces answers of chosen requests.

Requests are forwarded under the lake's own host name, so that the storage address in answers is the lake's and files
never come this way.
"""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Proxy:
    """Listens on a port of its own until the process ends."""

    def __init__(self, target):
        self.target = urlsplit(target).netloc
        self.plans = []
        self.seen = []
        self.lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def answer(self):
                proxy.answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def plan(self, fault, method="POST", path="", count=1):
        """The next `count` requests with this method and this part in their path meet the fault.

        `drop`: done, the connection ends without an answer. `lose`: not done, the connection ends. `repeat`: done twice,
        the second answer is given. A number: done, and answered with this status. `-` and a number: not done, and
        answered with this status.
        """
        with self.lock:
            self.plans.append([fault, method, path, count])

    def met(self):
        """How many planned faults did not come to pass; forgets them."""
        with self.lock:
            left = sum(plan[3] for plan in self.plans)
            self.plans.clear()
        return left

    def fault_of(self, method, path):
        with self.lock:
            self.seen.append((method, path))
            for plan in self.plans:
                if plan[3] > 0 and plan[1] == method and plan[2] in path:
                    plan[3] -= 1
                    return plan[0]
        return None

    def answer(self, handler):
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length) if length else None
        fault = self.fault_of(handler.command, handler.path)
        is_done = not (fault == "lose" or (fault or "").startswith("-"))
        status, headers, text = 0, [], b""
        for _ in range(2 if fault == "repeat" else 1 if is_done else 0):
            status, headers, text = self.forward(handler, body)
        if fault in ("drop", "lose"):
            handler.close_connection = True
            handler.connection.close()
            return
        if fault not in (None, "repeat"):
            status = int(fault.removeprefix("-"))
            error = {"message": "made by the fault proxy", "type": "Fault", "code": status}
            headers, text = [("content-type", "application/json")], json.dumps({"error": error}).encode()
        handler.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        if status != 204 and handler.command != "HEAD":
            handler.send_header("content-length", str(len(text)))
        elif handler.command == "HEAD":
            handler.send_header("content-length", "0")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(text)

    def forward(self, handler, body):
        connection = http.client.HTTPConnection(self.target, timeout=120)
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(handler.command, handler.path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), text
