"""A service that sells things, and asks the prices service what they cost. Half of the demo.

It prints the port that it listens on, and serves until it is stopped.
"""

import os
import sys

import requests
from flask import Flask, jsonify
from werkzeug.serving import make_server

import xtrace
from xtrace.integrations.flask import XRayMiddleware

xtrace.configure(service="shop", sampling=False)
xtrace.patch_all()

app = Flask(__name__)
XRayMiddleware(app)


@xtrace.capture
def price_of(product: str) -> float:
    response = requests.get(f"{os.environ['PRICES_URL']}/prices/{product}", timeout=5)
    return response.json()["price"]  # a product without a price is a KeyError here


@app.get("/buy/<product>")
def buy(product: str):
    xtrace.put_annotation("product", product)
    return jsonify(product=product, total=price_of(product))


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "0")), app, threaded=True)
    print(server.server_port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
