"""Ask the server on this machine whether it serves: `python -m serve.health`, for containers. Exit code 0 means yes.

It reads the same variables as the server. With TLS it only looks whether the port is listened on, since a certificate
is for the server's public name.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serve.config import Config, load_config
from vtlab.errors import UserError

TIMEOUT_S = 5.0
EVERYWHERE = ("[::]", "::", "0.0.0.0")
OPTIONS = (("grpc.enable_http_proxy", 0),)  # the server is on this machine, whatever http_proxy names


def answers_health(config: Config) -> bool:
    """Return whether the server of `config` on this machine answers, and takes new sessions."""
    host = "localhost" if config.host in EVERYWHERE else config.host.strip("[]")
    if config.tls_cert is not None:
        try:
            socket.create_connection((host, config.port), TIMEOUT_S).close()
        except OSError:
            return False
        return True
    address = f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}"
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    try:
        sys.exit(0 if answers_health(load_config({})) else 1)
    except UserError as error:
        sys.exit(f"vtlab: {error}")
