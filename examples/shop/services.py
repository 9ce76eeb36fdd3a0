"""The services of the shop: what each is called, where it listens, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One service.

    module: its file in plain/ and traced/. name: of its segments. port: where it listens if that
    is free; None if it doesn't. endpoint: the variable that tells the others where it is.
    """

    module: str
    name: str
    port: int | None = None
    endpoint: str | None = None
    health: str = "/api/v1/healthz"
    is_asgi: bool = False


SERVICES = {
    service.module: service
    for service in (
        Service("frontend", "Frontend", 8080, "FRONTEND_ENDPOINT", "/healthz", is_asgi=True),
        Service("catalogservice", "catalogservice", 8081, "CATALOG_ENDPOINT"),
        Service("cartservice", "cartservice", 8082, "CART_ENDPOINT"),
        Service("orderservice", "orderservice", 8083, "ORDER_ENDPOINT"),
        Service("recommenderservice", "recommenderservice", 8084, "RECOMMENDER_ENDPOINT"),
        Service("imageservice", "ImageService", 8085, "IMAGE_ENDPOINT", "/healthz", is_asgi=True),
        Service("worker", "order-worker"),
    )
}
