"""A Lambda function that is traced. Deploy it with active tracing on, as lambda_handler.handler.

Locally it runs on whatever speaks Lambda's Runtime API, the Runtime Interface Emulator for one;
without it, `python examples/lambda_handler.py` calls the handler in a segment of its own.
"""

import xtrace

xtrace.patch_all()  # at init: nothing is recorded there, and nothing is sent

PRICES = {"tea": 2.5, "cake": 3.75}


@xtrace.capture
def price(items):
    with xtrace.in_subsegment("tax") as tax:
        tax.put_metadata("percent", 20)
        return round(sum(PRICES[item] for item in items) * 1.2, 2)


@xtrace.lambda_handler
def handler(event, context):
    # Annotations go to the handler's subsegment: the function's segment is Lambda's own.
    xtrace.put_annotation("items", len(event["items"]))
    return {"total": price(event["items"])}


if __name__ == "__main__":
    xtrace.configure(service="till", sampling=False, emitter="console:")
    with xtrace.in_segment():
        print(handler({"items": ["tea", "cake"]}, None))
