"""A form that people sign up with: Flask, a table of DynamoDB, a topic of SNS, in one file.

    python examples/signup.py      with stand-ins for AWS, unless AWS_ENDPOINT_URL is set

Its traces are drawn in the terminal. To send them to a collector: XTRACE_EMITTER=udp://127.0.0.1:2000
"""

import json
import os

import boto3
from flask import Flask, redirect, render_template_string, request

import xtrace
from xtrace.integrations.flask import XRayMiddleware

TABLE, TOPIC = "signups", "new-signups"
THEMES = ("tea", "cake", "both")
PAGE = """<!doctype html><html lang="en"><title>Sign up</title><meta name="viewport" content="width=device-width">
<style>body{font:17px/1.5 system-ui,sans-serif;background:#faf6ef;color:#26221d;max-width:28em;margin:12vh auto;padding:0 20px}
label{display:block;margin:14px 0}input,select{font:inherit;width:100%;padding:9px 12px;border:1px solid #ddd2c2;border-radius:9px;box-sizing:border-box}
button{font:inherit;font-weight:600;background:#bf4d28;color:#fff;border:0;border-radius:99px;padding:11px 26px}.bad{color:#a3312b}</style>
<h1>{{ "Thank you!" if done else "We open soon" }}</h1>
{% if done %}<p>You will hear from us. <a href="/">Somebody else?</a></p>{% else %}
{% if problem %}<p class="bad">{{ problem }}</p>{% endif %}
<form method="post" action="/signup"><label>Name<input name="name" required></label>
<label>E-mail<input name="email" type="email" required></label>
<label>What brings you here<select name="theme">{% for theme in themes %}<option>{{ theme }}</option>{% endfor %}</select></label>
<button>Tell me when</button></form>{% endif %}"""

xtrace.configure(service="signup", sampling=False, emitter="console:")
xtrace.patch("boto3")

app = Flask(__name__)
XRayMiddleware(app)


@app.get("/")
def form():
    return render_template_string(PAGE, themes=THEMES, done="thanks" in request.args)


@app.post("/signup")
def signup():
    theme = request.form.get("theme")
    if theme not in THEMES or "@" not in request.form.get("email", ""):
        problem = "Please give an address, and what brings you here."
        return render_template_string(PAGE, themes=THEMES, problem=problem), 400
    xtrace.put_annotation("theme", theme)  # and neither name nor address
    person = {key: request.form[key] for key in ("email", "name", "theme")}
    table = boto3.resource("dynamodb").Table(TABLE)
    try:
        table.put_item(Item=person, ConditionExpression="attribute_not_exists(email)")
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        problem = "That address has signed up already."
        return render_template_string(PAGE, themes=THEMES, problem=problem), 409
    topic = os.environ["SIGNUP_TOPIC"]
    boto3.client("sns").publish(TopicArn=topic, Message=json.dumps({"theme": theme}))
    return redirect("/?thanks")


def stand_in():
    """DynamoDB and SNS by moto, in this process."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    os.environ["AWS_ENDPOINT_URL"] = "http://{}:{}".format(*server.get_host_and_port())
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(key, "of-no-account")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-west-2")


def make_resources():
    dynamodb = boto3.client("dynamodb")
    if TABLE not in dynamodb.list_tables()["TableNames"]:
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "email", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    os.environ["SIGNUP_TOPIC"] = boto3.client("sns").create_topic(Name=TOPIC)["TopicArn"]


if __name__ == "__main__":
    from werkzeug.serving import make_server

    if "AWS_ENDPOINT_URL" not in os.environ:
        stand_in()
    make_resources()
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), app, threaded=True)
    print(f"Sign up at http://127.0.0.1:{server.server_port}; Ctrl-C stops it.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
