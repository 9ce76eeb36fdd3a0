"""recommenderservice: three products that go with one. Flask, and requests in three threads."""

import os
import random
from concurrent.futures import ThreadPoolExecutor

import requests
from flask import Flask, jsonify
from goods import PRODUCT_IDS

import xtrace

xtrace.configure(service="recommenderservice")
xtrace.patch_all()

CATALOG = f"http://{os.environ['CATALOG_ENDPOINT']}/api/v1"
chance = random.Random(os.environ.get("SEED"))
related = {product_id: chance.sample(PRODUCT_IDS, 3) for product_id in PRODUCT_IDS}

app = Flask(__name__)


def load(product_id):
    try:
        answer = requests.get(f"{CATALOG}/product/{product_id}", timeout=1)
    except requests.RequestException:
        return None
    return answer.json() if answer.status_code == 200 else None


@app.get("/api/v1/recommender/<product_id>")
def recommend(product_id):
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(load, related.get(product_id, ())))
    products = [product for product in found if product is not None]
    if not products:
        return jsonify(error=f"nothing goes with {product_id}"), 404
    return jsonify(products)


@app.get("/api/v1/healthz")
def health():
    return "OK"
