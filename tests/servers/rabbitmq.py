"""RabbitMQ, with an Erlang port mapper of its own."""

from __future__ import annotations

from pathlib import Path

from tests.helpers import free_port
from tests.servers import Plan, Server, accepts, program


def prepare(folder: Path, port: int) -> Plan:
    """Debian's own scripts would use the system's folders and user; the program itself doesn't."""
    plugins = folder / "plugins"
    plugins.write_text("[].\n")
    configuration = folder / "rabbitmq.conf"
    configuration.write_text(
        f"listeners.tcp.default = 127.0.0.1:{port}\ndisk_free_limit.absolute = 1MB\n"
    )
    mapper, distribution = free_port(), free_port()
    return Plan(
        server=Server("amqp", "127.0.0.1", port, "guest", "guest", "/"),
        serve=[program("rabbitmq-server", "/usr/lib/rabbitmq/bin")],
        after=[[program("epmd"), "-kill"]],
        environment={
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper),
            "HOME": str(folder),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_NODENAME": f"xtrace{port}@localhost",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        },
    )


is_ready = accepts
