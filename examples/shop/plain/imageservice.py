"""ImageService: pictures in the size that is asked for. ASGI without a framework, and Pillow."""

import asyncio
import io
import os
from pathlib import Path
from urllib.parse import parse_qs

from PIL import Image, ImageOps

PICTURES = Path(os.environ["PICTURES"])
NAMES = {path.name for path in PICTURES.glob("*.jpg")}
LARGEST = 1600


def resize(name, width, height, grey):
    with Image.open(PICTURES / name) as picture:
        resized = ImageOps.fit(picture, (width, height))
    if grey:
        resized = resized.convert("L")
    file = io.BytesIO()
    resized.save(file, "jpeg", quality=88)
    return file.getvalue()


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    name = scope["path"].removeprefix("/")
    query = parse_qs(scope["query_string"].decode())
    if name == "healthz":
        return await answer(send, 200, b"OK", b"text/plain")
    try:
        width, height = (int(query.get(key, ["400"])[0]) for key in ("width", "height"))
        good = 0 < width <= LARGEST and 0 < height <= LARGEST
    except ValueError:
        good = False
    if not good:
        return await answer(send, 400, b"width and height are numbers up to 1600", b"text/plain")
    if name not in NAMES:
        return await answer(send, 404, b"no such picture", b"text/plain")
    picture = await asyncio.to_thread(resize, name, width, height, "filter" in query)
    return await answer(send, 200, picture, b"image/jpeg")


async def answer(send, status, body, content_type):
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
