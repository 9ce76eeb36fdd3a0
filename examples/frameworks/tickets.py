"""FastAPI, asynchronous: sells tickets, and asks the seats service twice at the same time.

It prints the port that it listens on, and serves until it is stopped.
"""

import asyncio
import os
import socket

import httpx
import uvicorn
from fastapi import FastAPI

import xtrace
from xtrace.integrations.asgi import XRayMiddleware

xtrace.configure(service="tickets", sampling=False)
xtrace.patch_all()

app = FastAPI()
app.add_middleware(XRayMiddleware)


@xtrace.capture
async def free_seats(client: httpx.AsyncClient, row: str) -> int:
    answer = await client.get(f"{os.environ['SEATS_URL']}/rows/{row}/")
    return answer.json()["free"]


@app.get("/shows/{show}")
async def tickets(show: str):
    async with httpx.AsyncClient() as client:
        free = await asyncio.gather(free_seats(client, "front"), free_seats(client, "back"))
    return {"show": show, "free": sum(free)}


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])
