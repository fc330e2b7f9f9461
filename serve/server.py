"""The server: a port, the services behind it, and an orderly end.

`serve` runs until SIGTERM or SIGINT, then drains: no new sessions, those under way finish or are parked to be resumed,
and health answers NOT_SERVING all the while. A second signal ends at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
from grpc.aio import Server
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from serve.config import Config, load_tokens, make_folders
from serve.observe import logs
from serve.observe.metrics import Gauges, Metrics, serve_metrics
from serve.release import ActiveRelease
from serve.rpc import translation_pb2_grpc
from serve.rpc.interceptors import ErrorInterceptor, TokenInterceptor
from serve.rpc.service import NAME, TranslationService
from serve.sessions.session import Listener
from serve.sessions.sessions import Sessions
from serve.state import Result, State
from vtlab import __version__, resources
from vtlab.errors import SettingsError
from vtlab.events import Event

log = logging.getLogger(__name__)

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"
MESSAGE_BYTES = 50 * 1024 * 1024  # what the gateway allows; gRPC's own limit for receiving is 4 MB
HEALTH_S = 5.0
GRACE_S = 5.0  # for answers under way, once all sessions have ended
STOPPED_AT_ONCE = 130  # exit code after a second signal
MOST_CALLS = 2000  # at once; beyond it calls end with RESOURCE_EXHAUSTED

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # clients ping every 10 to 60 s, without data and without calls: never answer with "too many pings"
    # https://github.com/grpc/grpc/issues/33661
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.keepalive_permit_without_calls", 1),
    # ask in turn whether a silent client is still there, or its streams would be kept for a machine that is gone
    ("grpc.keepalive_time_ms", 120_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # a second server cannot listen on the same port, and does not take half of the calls
    ("grpc.so_reuseport", 0),
)


async def serve(config: Config, active: ActiveRelease, announce: Callable[[str], None]) -> None:
    """Serve until a signal.

    Args:
        config: The options.
        active: What new sessions run.
        announce: Called with lines for people on what was started, once calls are answered.

    Raises:
        UserError: A folder, a certificate, a file of tokens or a port cannot be used.
    """
    make_folders(config)
    tokens = load_tokens(config)
    ended = asyncio.Event()
    _on_signals(ended)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        listeners: list[Listener] = [logs.log_session, metrics.count]
        if os.environ.get(OTLP):
            from serve.observe.telemetry import Telemetry

            telemetry = Telemetry()
            stack.push_async_callback(asyncio.to_thread, telemetry.close)
            listeners.append(telemetry.record)
        sessions = await stack.enter_async_context(Sessions(config.folders, active, config.limits, _to_all(listeners)))
        metrics.watch(lambda: _gauges(sessions, active))
        server, serving = await build(sessions, config.uploads, tokens=tokens)
        health_updates = asyncio.ensure_future(_update_health(sessions, serving))
        stack.callback(health_updates.cancel)
        port = listen(server, config)
        ports = f"port {port}"
        if config.metrics_port is not None:
            http = serve_metrics(metrics, config.metrics_host, config.metrics_port)
            stack.callback(http.server_close)
            stack.callback(http.shutdown)
            ports += f", metrics on port {http.server_port}"
        log.info("%s", active.figures(), extra={"event": "start", "release": active.configuration.name})
        await server.start()
        stack.push_async_callback(server.stop, GRACE_S)
        tls = "" if config.tls_cert is None else ", TLS" if config.tls_client_ca is None else ", TLS for known clients"
        tls += ", for clients with a token" if tokens else ""
        log.info("%s%s", ports, tls, extra={"event": "ready"})
        announce(f"vtlab {__version__} serves {active.figures()}")
        announce(f"Listening on {ports}{tls}; uploads in {config.uploads}, results in {config.artifacts}.")
        await ended.wait()
        log.info("no new sessions", extra={"event": "drain"})
        await serving.enter_graceful_shutdown()
        await sessions.drain()
    log.info("ended", extra={"event": "stop"})


async def build(
    sessions: Sessions, uploads: Path, options: Sequence[tuple[str, int]] = OPTIONS, tokens: Sequence[str] = ()
) -> tuple[Server, health.HealthServicer]:
    """Return a server that answers for `sessions`, and its health; it does not listen yet.

    Args:
        sessions: What the service works on.
        uploads: Only files inside this folder are opened.
        options: Of gRPC.
        tokens: Where there are any, clients must send one of them.
    """
    interceptors = (TokenInterceptor(tokens), ErrorInterceptor()) if tokens else (ErrorInterceptor(),)
    server = grpc.aio.server(interceptors=interceptors, options=options, maximum_concurrent_rpcs=MOST_CALLS)
    add_service = translation_pb2_grpc.add_TranslationServiceServicer_to_server
    add_service(TranslationService(sessions, uploads), server)  # type: ignore[no-untyped-call]
    serving = health.HealthServicer()
    await serving.set(NAME, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(serving, server)
    reflection.enable_server_reflection((NAME, HEALTH, reflection.SERVICE_NAME), server)
    return server, serving


def _gauges(sessions: Sessions, active: ActiveRelease) -> Gauges:
    return Gauges(
        sessions=sessions.counts(),
        waiting=sessions.waiting,
        running=sessions.running,
        memory_mb=sessions.memory_mb,
        release=active.configuration.name,
        fingerprint="" if active.release is None else active.release.fingerprint,
    )


async def _update_health(sessions: Sessions, serving: health.HealthServicer) -> None:
    """Answer NOT_SERVING while the server can keep nothing on its disk: it takes no sessions then."""
    answers = health_pb2.HealthCheckResponse
    while True:
        status = answers.SERVING if sessions.writable else answers.NOT_SERVING
        for name in ("", NAME):
            await serving.set(name, status)
        await asyncio.sleep(HEALTH_S)


def listen(server: Server, config: Config) -> int:
    """Let the server listen, and return its port.

    Raises:
        SettingsError: The port is taken, or a certificate cannot be used.
    """
    address = f"{config.host}:{config.port}"
    try:
        if config.tls_cert is None or config.tls_key is None:
            return server.add_insecure_port(address)
        authority = None if config.tls_client_ca is None else _pem(config.tls_client_ca)
        credentials = grpc.ssl_server_credentials(
            [(_pem(config.tls_key), _pem(config.tls_cert))],
            root_certificates=authority,
            require_client_auth=authority is not None,
        )
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        cause = ""
        if config.tls_cert is not None:
            cause = (
                " Or TLS_CERT and TLS_KEY do not belong together, the key is encrypted, or TLS_CLIENT_CA is no "
                "certificate."
            )
        raise SettingsError(
            f"{address} cannot be listened on: it is in use, or not an address of this machine; choose another "
            f"GRPC_PORT or GRPC_HOST.{cause}"
        ) from error


def _pem(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}. TLS needs it.") from error
    if b"-----BEGIN " not in content:
        raise SettingsError(f"{file} is no PEM file: it has no line that begins with '-----BEGIN '.")
    return content


def _to_all(listeners: Sequence[Listener]) -> Listener:
    def notify(session_id: str, happened: Event | State | Result) -> None:
        for listener in listeners:
            try:
                listener(session_id, happened)
            except Exception:
                # a listener must not stop the work; the log has the traceback
                log.exception("a listener could not take %s", type(happened).__name__)

    return notify


def _on_signals(ended: asyncio.Event) -> None:
    """Set `ended` at the first SIGTERM or SIGINT; end this process and its workers at once at the second."""

    def stop() -> None:
        if not ended.is_set():
            ended.set()
            return
        resources.kill_children()
        os._exit(STOPPED_AT_ONCE)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
