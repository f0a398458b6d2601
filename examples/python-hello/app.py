import os
import platform

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    text = f"Hello from {os.environ.get('DYNO', 'your machine')}, on Python {platform.python_version()}\n"
    return text, {"Content-Type": "text/plain; charset=utf-8"}
