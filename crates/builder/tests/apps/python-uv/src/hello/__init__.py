import os
from wsgiref.simple_server import make_server

import greet


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [greet.WORDS.encode()]


def serve():
    make_server("", int(os.environ["PORT"]), app).serve_forever()
