import subprocess

import greet


def show():
    print(greet.WORDS)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [subprocess.check_output(["hello-greeting"])]
