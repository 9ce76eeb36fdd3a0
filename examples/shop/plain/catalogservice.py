"""catalogservice: the products, out of a table of DynamoDB. Flask and boto3."""

import boto3
from botocore.config import Config
from flask import Flask, jsonify

# One try, of at most a second: callers wait no longer, and a throttled table isn't asked twice.
config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
table = boto3.resource("dynamodb", config=config).Table("ProductCatalog")
errors = table.meta.client.exceptions

app = Flask(__name__)


@app.get("/api/v1/product/<product_id>")
def product(product_id):
    item = table.get_item(Key={"id": product_id}).get("Item")
    if item is None:
        return jsonify(error=f"there is no product {product_id}"), 404
    return jsonify(item)


@app.get("/api/v1/products")
def products():
    pages = table.meta.client.get_paginator("scan").paginate(TableName=table.name)
    return jsonify([item for page in pages for item in page["Items"]])


@app.errorhandler(errors.ProvisionedThroughputExceededException)
def throttled(error):
    return jsonify(error="too many requests for the table"), 429


@app.get("/api/v1/healthz")
def health():
    return "OK"
