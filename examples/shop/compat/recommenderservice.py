"""recommenderservice as it was written for the official SDK: it runs on xtrace, unchanged."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests
from aws_xray_sdk.core import patch_all, xray_recorder
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask, jsonify
from goods import PRODUCT_IDS

CATALOG = f"http://{os.environ['CATALOG_ENDPOINT']}/api/v1"
chance = random.Random(os.environ.get("SEED"))
related = {product_id: chance.sample(PRODUCT_IDS, 3) for product_id in PRODUCT_IDS}

app = Flask(__name__)

xray_recorder.configure(service="recommenderservice", plugins=("EC2Plugin", "ECSPlugin"))
XRayMiddleware(app, xray_recorder)
patch_all()


def load(entity, product_id):
    # The official SDK has to be told in each thread where it is.
    xray_recorder.set_trace_entity(entity)
    try:
        answer = requests.get(f"{CATALOG}/product/{product_id}", timeout=1)
    except requests.RequestException:
        return None
    finally:
        xray_recorder.clear_trace_entities()
    return answer.json() if answer.status_code == 200 else None


@app.get("/api/v1/recommender/<product_id>")
def recommend(product_id):
    entity = xray_recorder.get_trace_entity()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(partial(load, entity), related.get(product_id, ())))
    products = [product for product in found if product is not None]
    if not products:
        return jsonify(error=f"nothing goes with {product_id}"), 404
    return jsonify(products)


@app.get("/api/v1/healthz")
def health():
    return "OK"
