"""``python -m serve.health``: whether the server on this machine serves. Exit code 0 says yes; for containers.

Reads the same variables as the server. With TLS it only looks whether the port is listened on, since a certificate is
for the server's public name.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serve.config import Config, load_config
from vtlab.errors import UserError

PATIENCE_S = 5.0
EVERYWHERE = ("[::]", "::", "0.0.0.0")


def serves(config: Config) -> bool:
    """The server of ``config`` on this machine answers, and takes new sessions."""
    host = "localhost" if config.host in EVERYWHERE else config.host.strip("[]")
    if config.tls_cert is not None:
        try:
            socket.create_connection((host, config.port), PATIENCE_S).close()
        except OSError:
            return False
        return True
    with grpc.insecure_channel(f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}") as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S, wait_for_ready=True)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    try:
        sys.exit(0 if serves(load_config({})) else 1)
    except UserError as error:
        sys.exit(f"vtlab: {error}")
