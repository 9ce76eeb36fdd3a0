"""cartservice: for each visitor a set of products, kept in Redis. Flask, redis and requests."""

import os

import redis
import requests
from flask import Flask, jsonify, request

CATALOG = f"http://{os.environ['CATALOG_ENDPOINT']}/api/v1"
carts = redis.Redis.from_url(
    os.environ["REDIS_ENDPOINT"], socket_timeout=1, socket_connect_timeout=1, decode_responses=True
)

app = Flask(__name__)


@app.get("/api/v1/cart/<cart_id>")
def show(cart_id):
    items = sorted(carts.smembers(cart_id))
    return jsonify(items=items, size=len(items))


@app.post("/api/v1/cart")
def add():
    cart_id, product_id = request.json["cart_id"], request.json["product_id"]
    answer = requests.get(f"{CATALOG}/product/{product_id}", timeout=1)
    if answer.status_code != 200:
        status = 404 if answer.status_code == 404 else 503
        return jsonify(error=f"product {product_id} can't be had"), status
    if not carts.sismember(cart_id, product_id):
        carts.sadd(cart_id, product_id)
    return jsonify(added=product_id)


@app.delete("/api/v1/cart/<cart_id>")
def delete(cart_id):
    carts.delete(cart_id)
    return jsonify(deleted=cart_id)


@app.errorhandler(requests.RequestException)
def unreachable(error):
    return jsonify(error="the catalog doesn't answer"), 503


@app.get("/api/v1/healthz")
def health():
    return "OK"
