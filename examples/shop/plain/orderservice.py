"""orderservice: takes the cart, keeps the order, queues it. Django, SQLite, requests and boto3."""

import json
import logging
import os
import uuid

import boto3
import django
import requests
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["ORDERS_DB"]}
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["SECRET_KEY"],
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import require_POST  # noqa: E402

CART = f"http://{os.environ['CART_ENDPOINT']}/api/v1/cart"
CATALOG = f"http://{os.environ['CATALOG_ENDPOINT']}/api/v1/product"
ADDRESS = ("name", "email", "address", "address2", "country", "state", "zip", "city")
sqs = boto3.client("sqs")
queue_url = sqs.get_queue_url(QueueName=os.environ["ORDER_QUEUE"])["QueueUrl"]


@require_POST
def order(request):
    form = json.loads(request.body)
    missing = {"cart_id", "paymentMethod", *ADDRESS} - form.keys()
    if missing:
        return JsonResponse({"error": f"not given: {', '.join(sorted(missing))}"}, status=400)
    with requests.Session() as session:
        items = get(session, f"{CART}/{form['cart_id']}")["items"]
        if not items:
            return JsonResponse({"error": "the cart is empty"}, status=409)
        products = [get(session, f"{CATALOG}/{item}") for item in items]
    total = sum(float(product["offer"]["price"]) for product in products)
    order_id = str(uuid.uuid4())
    address = json.dumps({key: form[key] for key in ADDRESS})
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into orders (id, cart_id, items, total, address, status) "
            "values (%s, %s, %s, %s, %s, 'queued')",
            [order_id, form["cart_id"], json.dumps(items), total, address],
        )
    # The address stays here: whoever packs the parcel needs the order's number.
    body = json.dumps({"order_id": order_id, "items": items, "total": total})
    sqs.send_message(QueueUrl=queue_url, MessageBody=body, DelaySeconds=1)
    facts = {"OrderTotal": total, "Items": len(items), "PaymentMethod": form["paymentMethod"]}
    for key, value in facts.items():
        logging.info("order %s: %s is %s", order_id, key, value)
    return JsonResponse({"order_id": order_id, "total": total})


def get(session, url):
    answer = session.get(url, timeout=1)
    answer.raise_for_status()
    return answer.json()


def health(request):
    return HttpResponse("OK")


urlpatterns = [path("api/v1/order", order), path("api/v1/healthz", health)]

with connection.cursor() as cursor:
    cursor.execute(
        "create table if not exists orders "
        "(id text primary key, cart_id text, items text, total real, address text, status text)"
    )
connection.close()

app = get_wsgi_application()
