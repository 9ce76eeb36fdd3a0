"""Flask: knows the rows of the hall.

It prints the port that it listens on, and serves until it is stopped.
"""

import os

from flask import Flask, jsonify
from werkzeug.serving import make_server

import xtrace
from xtrace.integrations.flask import XRayMiddleware

xtrace.configure(service="hall", sampling=False)

app = Flask(__name__)
XRayMiddleware(app)


@app.get("/seats/<row>")
def seats(row: str):
    return jsonify(row=row, seats={"front": 12, "back": 30}[row])


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "0")), app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
