"""Frontend: the pages of the shop; asks every other service. Starlette, httpx and Jinja2."""

import asyncio
import os
import uuid
from urllib.parse import parse_qsl

import httpx
from goods import FEATURED
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route
from starlette.templating import Jinja2Templates

import xtrace

xtrace.configure(service="Frontend")
xtrace.patch_all()

CATALOG = f"http://{os.environ['CATALOG_ENDPOINT']}/api/v1"
CART = f"http://{os.environ['CART_ENDPOINT']}/api/v1/cart"
ORDER = f"http://{os.environ['ORDER_ENDPOINT']}/api/v1/order"
RECOMMENDER = f"http://{os.environ['RECOMMENDER_ENDPOINT']}/api/v1/recommender"
IMAGES = f"http://{os.environ['IMAGE_ENDPOINT']}"
FIELDS = (
    *("name", "email", "address", "address2", "country", "state", "zip", "city"),
    "paymentMethod",
)

http = httpx.AsyncClient(timeout=3)
templates = Jinja2Templates(os.environ["TEMPLATES"])


async def find(product_id):
    """A product, or None if the catalog has no such product."""
    answer = await http.get(f"{CATALOG}/product/{product_id}")
    if answer.status_code == 404:
        return None
    return answer.raise_for_status().json()


async def home(request):
    try:
        product = await find(FEATURED)
    except httpx.HTTPError:
        product = None  # the page has enough to show without
    return page(request, "home.html", product=product)


async def about(request):
    return page(request, "about.html")


async def products(request):
    answer = await http.get(f"{CATALOG}/products")
    found = sorted(answer.raise_for_status().json(), key=lambda each: each["name"])
    return page(request, "products.html", products=found)


async def product(request):
    product_id = request.path_params["product_id"]
    xtrace.put_annotation("ProductID", product_id)
    found = await find(product_id)
    if found is None:
        return page(request, "missing.html", status=404)
    try:
        answer = await http.get(f"{RECOMMENDER}/{product_id}")
        related = answer.json() if answer.status_code == 200 else []
    except httpx.HTTPError:
        related = []
    related = [each for each in related if each["id"] != product_id]
    return page(request, "product.html", product=found, related=related)


async def cart(request):
    answer = await http.get(f"{CART}/{request.session['visitor']}")
    ids = answer.raise_for_status().json()["items"]
    found = [each for each in await asyncio.gather(*map(find, ids)) if each is not None]
    value = sum(float(each["offer"]["price"]) for each in found)
    request.session.update(cart=ids, cart_value=value)
    return page(request, "cart.html", products=found, value=value)


async def add(request):
    product_id = (await form(request)).get("product_id", "")
    body = {"cart_id": request.session["visitor"], "product_id": product_id}
    answer = await http.post(CART, json=body)
    if answer.status_code == 200:
        request.session["flash"] = ["good", "It is in your cart."]
    elif answer.status_code == 404:
        request.session["flash"] = ["bad", "We don't have that product any more."]
    else:
        request.session["flash"] = ["bad", "That didn't work. Please try again."]
    return RedirectResponse("/cart", 302)


async def checkout(request):
    return page(request, "checkout.html", draft=request.session.get("draft"))


async def keep_draft(request):
    given = await form(request)
    request.session["draft"] = {field: given.get(field, "") for field in FIELDS}
    return RedirectResponse("/cart/checkout", 302)


async def order(request):
    visitor = request.session["visitor"]
    draft = request.session.get("draft", {})
    answer = await http.post(ORDER, json={"cart_id": visitor, **draft})
    if answer.status_code != 200:
        problems = {400: "Please tell us where to send it.", 409: "Your cart is empty."}
        problem = problems.get(answer.status_code, "We couldn't take the order. Please try again.")
        request.session["flash"] = ["bad", problem]
        return RedirectResponse("/cart/checkout", 302)
    await http.delete(f"{CART}/{visitor}")
    request.session.update(cart=[], cart_value=0, order=answer.json())
    request.session.pop("draft", None)
    return RedirectResponse("/cart/order", 302)


async def ordered(request):
    return page(request, "ordered.html", order=request.session.get("order"))


async def image(request):
    wanted = http.build_request(
        "GET", f"{IMAGES}/{request.path_params['name']}", params=request.query_params
    )
    answer = await http.send(wanted, stream=True)

    async def content():
        try:
            async for part in answer.aiter_bytes():
                yield part
        finally:
            await answer.aclose()

    headers = {"content-type": answer.headers["content-type"], "cache-control": "max-age=60"}
    return StreamingResponse(content(), answer.status_code, headers)


async def health(request):
    return PlainTextResponse("OK")


async def form(request):
    return dict(parse_qsl((await request.body()).decode()))


def page(request, template, status=200, **values):
    if "flash" in request.session:
        values["flash"] = request.session.pop("flash")
    return templates.TemplateResponse(request, template, values, status)


async def missing(request, error):
    return page(request, "missing.html", status=404)


async def unavailable(request, error):
    return page(request, "unavailable.html", status=503)


class Visitors:
    """Gives each visitor an id, which is their cart's id too."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] != "/healthz":
            self.know(scope["session"])
        await self.app(scope, receive, send)

    def know(self, session):
        if "visitor" not in session:
            session["visitor"] = str(uuid.uuid4())
        xtrace.put_annotation("UserID", session["visitor"])


app = Starlette(
    routes=[
        Route("/", home),
        Route("/static", about),
        Route("/product", products),
        Route("/product/{product_id}", product),
        Route("/cart", cart),
        Route("/cart", add, methods=["POST"]),
        Route("/cart/checkout", checkout),
        Route("/cart/checkout", keep_draft, methods=["POST"]),
        Route("/cart/order", ordered),
        Route("/cart/order", order, methods=["POST"]),
        Route("/images/{name}", image),
        Route("/healthz", health),
    ],
    middleware=[
        Middleware(
            SessionMiddleware,
            secret_key=os.environ["SECRET_KEY"],
            session_cookie="anycompany_shop",
        ),
        Middleware(Visitors),
    ],
    exception_handlers={404: missing, httpx.HTTPError: unavailable},
)
