"""A service that knows prices: Flask, with its data in SQLite. Half of the demo.

It prints the port that it listens on, and serves until it is stopped.
"""

import os
import sqlite3
import sys

from flask import Flask, jsonify
from werkzeug.serving import make_server

import xtrace
from xtrace.integrations.flask import XRayMiddleware

xtrace.configure(service="prices", sampling=False)
xtrace.patch_all()

app = Flask(__name__)
XRayMiddleware(app)


def database() -> sqlite3.Connection:
    return sqlite3.connect(os.environ.get("PRICES_DB", ":memory:"))


def create_tables() -> None:
    with database() as connection:
        connection.execute("create table if not exists prices (product text, price real)")
        connection.execute("delete from prices")
        products = [("tea", 4.5), ("cup", 12.0), ("kettle", 49.9)]
        connection.executemany("insert into prices values (?, ?)", products)


@app.get("/prices/<product>")
def price(product: str):
    query = "select price from prices where product = ?"
    row = database().execute(query, (product,)).fetchone()
    if row is None:
        return jsonify(error=f"no price for {product}"), 404
    return jsonify(product=product, price=row[0])


if __name__ == "__main__":
    create_tables()
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "0")), app, threaded=True)
    print(server.server_port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
