"""The command `vtlab serve`: the gRPC server behind a gateway."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vtlab.cli.terminal import Debug, Overrides, SettingsFile


def serve(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port to listen on [GRPC_PORT, 50051]; 0: any free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [GRPC_HOST, localhost]; 0.0.0.0: all.")] = None,
    uploads: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where videos come from [UPLOADS_DIR, uploads].")
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where results go [ARTIFACTS_DIR, artifacts].")
    ] = None,
    temp_work: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Work under way and sessions [TEMP_WORK_DIR, temp_work].")
    ] = None,
    releases: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of releases [VTLAB_RELEASES, releases].")
    ] = None,
    unmeasured: Annotated[
        bool | None,
        typer.Option("--unmeasured", help="Serve what no evaluation stands for [SERVE_UNMEASURED]."),
    ] = None,
    burn_subtitles: Annotated[
        bool | None,
        typer.Option(
            "--burn-subtitles/--no-burn-subtitles",
            help="Draw translated subtitles into the picture, or do as the release says [SERVE_BURN_SUBTITLES, true].",
        ),
    ] = None,
    settings: SettingsFile = None,
    overrides: Overrides = None,
    workers: Annotated[int | None, typer.Option(help="Sessions dubbed at once [SERVE_WORKERS, 1].")] = None,
    queue: Annotated[int | None, typer.Option(help="Sessions that may wait [SERVE_QUEUE, 100].")] = None,
    memory_mb: Annotated[
        int | None, typer.Option(help="Memory for all of it, MB [SERVE_MEMORY_MB, the machine's or cgroup's].")
    ] = None,
    disk_free_mb: Annotated[
        int | None, typer.Option(help="Disk that new sessions need, MB [SERVE_DISK_FREE_MB, 500].")
    ] = None,
    store_mb: Annotated[
        int | None, typer.Option(help="Stored stage results are pruned to this, MB [SERVE_STORE_MB, 20000].")
    ] = None,
    keep_h: Annotated[
        float | None, typer.Option(help="Hours after which folders of ended sessions go [SERVE_KEEP_H, 24].")
    ] = None,
    drain_s: Annotated[
        float | None, typer.Option(help="Seconds that sessions may go on once told to stop [SERVE_DRAIN_S, 30].")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port for Prometheus [METRICS_PORT, none]; 0: any free one.")
    ] = None,
    metrics_host: Annotated[str | None, typer.Option(help="Address for Prometheus [METRICS_HOST, localhost].")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain, PEM [TLS_CERT, no TLS].")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key, PEM [TLS_KEY].")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Clients need a certificate signed by this one, PEM [TLS_CLIENT_CA]."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Clients need one of its tokens, one a line [SERVE_TOKEN_FILE, none]."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error [LOG_LEVEL, info]; debug quotes the videos.")
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the log to FILE [LOG_FILE, stderr].")
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve dubbing over gRPC with the release in force, or with the packaged default before the first promotion.

    In brackets: the environment variable and the default; serve/README.md explains them. A promotion or a rollback
    counts from the next session on. SIGTERM and Ctrl-C drain: sessions finish, or are parked and resumed when asked for
    again.
    """
    from serve.config import Config
    from serve.main import run

    chosen = {name: value for name, value in context.params.items() if name in Config.model_fields}
    run(chosen, settings, overrides or (), partial(print, flush=True))
