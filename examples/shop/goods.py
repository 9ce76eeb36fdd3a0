"""The nine things that AnyCompany Shop sells, and how they get into its table.

python goods.py     makes the table and the queue where AWS_ENDPOINT_URL says, or in AWS
"""

from __future__ import annotations

import os
from decimal import Decimal

TABLE = "ProductCatalog"
FEATURED = "6464865908071"
UNKNOWN = "0000000000000"
"""An id that no product has; one in ten picks of the load."""

_ROWS = [
    # id, name, category, maker, picture, price, description
    (FEATURED, "Lantern No. 3", "light", "AnyCompany Light", "lantern", "189.00",
     "A table lamp with a shade of folded paper. Warm at night, handsome by day, "
     "and quiet about both."),
    ("0983976883313", "Meridian", "time", "AnyCompany Time", "meridian", "5200.00",
     "An automatic watch with one hand. It is never quite exact, and neither is the evening."),
    ("1051094507639", "Harbour", "rest", "AnyCompany Living", "harbour", "1890.00",
     "An armchair to come home to. Oak, wool, and a seat that is deep enough for two cats."),
    ("3103748076140", "Quiet", "sound", "AnyCompany Audio", "quiet", "279.00",
     "Headphones that leave the train outside. Thirty hours, then a cup of tea by the socket."),
    ("3377807835348", "Field", "sight", "AnyCompany Optics", "field", "1240.00",
     "A camera with three knobs and no menus. What you see is what you were looking at."),
    ("3480077496703", "Morning", "table", "AnyCompany Living", "morning", "64.00",
     "A teapot for four cups, or for two people who don't mind a second one. Doesn't drip."),
    ("4618701513994", "Atlas", "travel", "AnyCompany Outdoor", "atlas", "148.00",
     "A backpack of waxed canvas. One main pocket, one for the map, one for what you pick up."),
    ("5147991444866", "Fern", "green", "AnyCompany Living", "fern", "38.00",
     "It wants little light, little water and no conversation. The pot is glazed by hand."),
    ("6392888360364", "Ledger", "table", "AnyCompany Paper", "ledger", "24.00",
     "A notebook of 192 pages that stay open. Dotted, because lines are somebody else's idea."),
]  # fmt: skip

PRODUCTS = [
    {
        "id": id,
        "name": name,
        "category": category,
        "manufacturer": maker,
        "picture": f"products-{picture}.jpg",
        "offer": {"currencyCode": "USD", "price": Decimal(price)},
        "description": description,
    }
    for id, name, category, maker, picture, price, description in _ROWS
]
PRODUCT_IDS = [product["id"] for product in PRODUCTS]


def import_goods() -> None:
    """Make the table, its nine products and the queue; what is there already stays as it is."""
    import boto3

    dynamodb = boto3.resource("dynamodb")
    try:
        table = dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            ProvisionedThroughput={"ReadCapacityUnits": 40, "WriteCapacityUnits": 15},
        )
    except dynamodb.meta.client.exceptions.ResourceInUseException:
        table = dynamodb.Table(TABLE)
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for product in PRODUCTS:
            batch.put_item(product)
    boto3.client("sqs").create_queue(
        QueueName=os.environ.get("ORDER_QUEUE", "demostore-orderqueue"),
        Attributes={"MessageRetentionPeriod": "3600"},
    )


if __name__ == "__main__":
    import_goods()
    print(f"{TABLE} has its {len(PRODUCTS)} products, and the queue is there.")
