"""Answers what a test wants to know of a dyno, with Python's own library."""

import base64
import hashlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open("VERSION") as file:
    VERSION = file.read().strip()


class Probe(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/":
            self.answer(f"version {VERSION} from {os.environ['DYNO']} of process {os.getpid()}")
        elif self.path == "/environment":
            self.answer(json.dumps(dict(os.environ)))
        elif self.path == "/headers":
            self.answer(json.dumps({name.lower(): value for name, value in self.headers.items()}))
        elif self.path.startswith("/say/"):
            print(self.path.removeprefix("/say/"), flush=True)
            self.answer("said")
        elif self.path == "/exit":
            os._exit(3)
        elif self.path == "/websocket":
            self.echo()
        else:
            self.send_error(404)

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def echo(self):
        """Sends each short message back; ends with the connection."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while len(head := self.rfile.read(2)) == 2 and head[0] == 0x81:
            length = head[1] & 0x7F
            mask = self.rfile.read(4)
            text = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.rfile.read(length)))
            self.wfile.write(bytes([0x81, length]) + text)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


print(f"listens on {os.environ['PORT']}", flush=True)
print("a word on stderr", file=sys.stderr, flush=True)
Server(("", int(os.environ["PORT"])), Probe).serve_forever()
