from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from rpc_server import running

from serve.config import Config
from serve.health import answers_health
from serve.observe import logs
from serve.rpc import translation_pb2 as pb
from serve.rpc import translation_pb2_grpc as rpc
from serve.rpc.service import NAME
from serve.server import MESSAGE_BYTES, OPTIONS, listen
from vtlab.errors import SettingsError

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "datasets" / "people" / "clips" / "fox_pt.flac"
LONG_S = 300  # ends a hang

# what an image for production does not hold: everything of the laboratory, and what only tests need
LAB = (
    "IPython", "grpc_tools", "hypothesis", "ipykernel", "jiwer", "jupyterlab", "librosa", "marimo", "matplotlib",
    "mlflow", "mweralign", "nbconvert", "pandas", "papermill", "playwright", "pytest", "ray", "sacrebleu",
    "subtitle_edit_rate", "suber", "torch", "transformers", "whisper_normalizer",
)  # fmt: skip
REFUSE = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LAB!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""


@dataclass(frozen=True)
class Served:
    """`vtlab serve` in a process of its own, as an image runs it."""

    process: subprocess.Popen[str]
    folder: Path
    said: str
    port: int
    metrics_port: int

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """vtlab as the Dockerfile installs it, from the files that it copies, and nothing of the laboratory in sight."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *names, target = line.split()[1:]
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, source / target)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(folder / "site"), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "site" / "sitecustomize.py").write_text(REFUSE)
    shutil.rmtree(source)
    return folder / "site"


@pytest.fixture
def served(installed: Path, tmp_path: Path) -> Iterator[Served]:
    """Started in an empty folder, with the Dockerfile's variables; stopped at the end, if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VTLAB_")}
    if "VTLAB_WEIGHTS" in os.environ:
        environment["VTLAB_WEIGHTS"] = os.environ["VTLAB_WEIGHTS"]
    environment |= {
        "PYTHONPATH": str(installed),
        "UPLOADS_DIR": str(tmp_path / "uploads"),
        "ARTIFACTS_DIR": str(tmp_path / "artifacts"),
        "TEMP_WORK_DIR": str(tmp_path / "temp_work"),
        "GRPC_PORT": "0",
        "METRICS_PORT": "0",
        "METRICS_HOST": "localhost",
        "LOG_FILE": str(tmp_path / "log.jsonl"),
        "VTLAB_INITIALIZATION__OFFLINE": "true",
    }
    empty = tmp_path / "empty"
    empty.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "vtlab", "serve"],
        cwd=empty, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        ports = re.search(r"port (\d+), metrics on port (\d+)", said)
        assert ports is not None, said + process.stderr.read() if process.stderr else said
        yield Served(process, tmp_path, said, int(ports[1]), int(ports[2]))
    finally:
        process.terminate()
        process.communicate(timeout=LONG_S)


def test_the_image_runs_and_ends_in_order(served: Served) -> None:
    """From its start to SIGTERM, with one dub, and without a package of the laboratory."""
    assert "packaged default (there is no release)" in served.said
    assert "vtlab promote" in served.said
    uploads = served.folder / "uploads"
    shutil.copy(CLIP, uploads / "1.flac")
    shutil.copy(ROOT / "datasets" / "spoken" / "clips" / "pt_prices.mp4", uploads / "2.mp4")
    assert answers_health(Config(port=served.port))
    with grpc.insecure_channel(f"localhost:{served.port}") as channel:
        assert NAME in ProtoReflectionDescriptorDatabase(channel).get_services()
        stub = rpc.TranslationServiceStub(channel)

        def start(session_id: str, name: str) -> Iterator[pb.TranslationProgress]:
            return stub.TranslateVideo(
                pb.TranslationRequest(
                    session_id=session_id, file_path=str(uploads / name), source_lang="pt", target_lang="en"
                ),
                timeout=LONG_S,
            )

        told = list(start("one", "1.flac"))
        assert (told[-1].status, told[-1].progress) == ("completed", 100), told[-1]
        made = stub.GetTranslationResult(pb.ResultRequest(session_id="one"), timeout=LONG_S)
        assert Path(made.output_path) == served.folder / "artifacts" / "one_translated.mp4"
        assert made.output_size == Path(made.output_path).stat().st_size
        assert made.HasField("quality_metrics")

        url = f"http://localhost:{served.metrics_port}/metrics"
        metrics = urllib.request.urlopen(url, timeout=LONG_S).read().decode()
        assert 'vtlab_sessions{status="completed"} 1.0' in metrics
        assert 'vtlab_sessions_ended_total{status="completed"} 1.0' in metrics
        assert 'vtlab_quality_score_count{score="lip_sync_accuracy"} 1.0' in metrics
        assert "vtlab_stage_seconds_count" in metrics

        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=NAME), timeout=LONG_S)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        last = start("two", "2.mp4")
        next(last)
        served.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        *_, end = last
        assert end.status in ("completed", "failed")  # finished in the grace time, or parked
        assert last.code() is grpc.StatusCode.OK
    said, errors = served.process.communicate(timeout=LONG_S)
    assert (served.process.returncode, said, errors) == (0, "", "")
    log = served.log()
    assert {tuple(line) for line in log} == {tuple(logs.FIELDS)}
    events = [line["event"] for line in log]
    assert events[:2] == ["start", "ready"]
    assert events[-1] == "stop"
    assert "drain" in events
    assert [line for line in log if line["level"] == "error"] == []
    assert list((served.folder / "empty").iterdir()) == []


def test_the_options_that_clients_need() -> None:
    options = dict(OPTIONS)
    assert MESSAGE_BYTES == 50 * 1024 * 1024
    assert options["grpc.max_receive_message_length"] == options["grpc.max_send_message_length"] == MESSAGE_BYTES
    assert options["grpc.http2.max_ping_strikes"] == 0
    assert options["grpc.keepalive_permit_without_calls"] == 1


# ---------------------------------------------------------------- ports and certificates


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with (
        running(tmp_path) as first,
        pytest.raises(SettingsError, match=rf"localhost:{first.port} .*in use.*GRPC_PORT"),
        running(tmp_path, listen=lambda made: listen(made, Config(host="localhost", port=first.port))),
    ):
        pass


def test_health_is_asked_where_the_server_listens(tmp_path: Path) -> None:
    other = "127.0.0.2"  # of this machine, and not its localhost
    with running(tmp_path, listen=lambda made: listen(made, Config(host=other, port=0))) as server:
        assert answers_health(Config(host=other, port=server.port))
        assert not answers_health(Config(host="127.0.0.1", port=server.port))


def test_health_ignores_proxies(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    environment = {**os.environ, "http_proxy": nobody, "https_proxy": nobody, "grpc_proxy": nobody}
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        environment.pop(name, None)
    with running(tmp_path) as server:
        environment["GRPC_PORT"] = str(server.port)
        done = subprocess.run([sys.executable, "-m", "serve.health"], env=environment, cwd=ROOT, timeout=LONG_S)
    assert done.returncode == 0


def test_it_listens_on_this_machine_only_unless_told_otherwise(tmp_path: Path) -> None:
    other = "127.0.0.2"  # an address of this machine that is not its localhost

    def reached(host: str, port: int) -> bool:
        try:
            socket.create_connection((host, port), LONG_S).close()
        except OSError:
            return False
        return True

    with running(tmp_path, listen=lambda made: listen(made, Config(port=0))) as server:
        assert reached("localhost", server.port)
        assert not reached(other, server.port)
    with running(tmp_path, listen=lambda made: listen(made, Config(host="0.0.0.0", port=0))) as server:
        assert reached(other, server.port)
    assert Config().metrics_host == "localhost"
    image = (ROOT / "Dockerfile").read_text()
    assert " GRPC_HOST=0.0.0.0 " in image and " METRICS_HOST=0.0.0.0 " in image


def certificate(folder: Path, name: str, authority: str | None, *subject: str) -> None:
    """`name`.pem and `name`.key, signed by ``authority`` or by itself."""
    signed = [] if authority is None else ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, *files, *signed, *subject], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so there are no certificates to test with")
    folder = tmp_path_factory.mktemp("certificates")
    certificate(folder, "authority", None)
    certificate(folder, "stranger", None)
    certificate(folder, "server", "authority", "-addext", "subjectAltName=DNS:localhost")
    certificate(folder, "client", "authority")
    return folder


def health(port: int, folder: Path, client: str | None) -> int:
    """The status that a client gets which trusts the authority and shows the certificate ``client``."""
    credentials = grpc.ssl_channel_credentials(
        (folder / "authority.pem").read_bytes(),
        None if client is None else (folder / f"{client}.key").read_bytes(),
        None if client is None else (folder / f"{client}.pem").read_bytes(),
    )
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LONG_S).status


def tls(folder: Path, **more: Path) -> Config:
    return Config(host="localhost", port=0, tls_cert=folder / "server.pem", tls_key=folder / "server.key", **more)


def test_tls(certificates: Path, tmp_path: Path) -> None:
    config = tls(certificates)
    with running(tmp_path, listen=lambda made: listen(made, config)) as server:
        assert health(server.port, certificates, None) == health_pb2.HealthCheckResponse.SERVING
        assert answers_health(config.model_copy(update={"port": server.port}))
        with (
            grpc.insecure_channel(f"localhost:{server.port}") as channel,
            pytest.raises(grpc.RpcError) as refused,
        ):
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_clients_need_a_certificate_of_the_authority(certificates: Path, tmp_path: Path) -> None:
    config = tls(certificates, tls_client_ca=certificates / "authority.pem")
    with running(tmp_path, listen=lambda made: listen(made, config)) as server:
        assert health(server.port, certificates, "client") == health_pb2.HealthCheckResponse.SERVING
        for stranger in (None, "stranger"):
            with pytest.raises(grpc.RpcError) as refused:
                health(server.port, certificates, stranger)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("nowhere.pem", "server.key", "nowhere.pem cannot be read"),
        ("server.pem", "text", "text is no PEM file"),
    ],
)
def test_certificates_that_cannot_be_used_are_told(
    certificates: Path, tmp_path: Path, cert: str, key: str, said: str
) -> None:
    (certificates / "text").write_text("text")
    config = Config(host="localhost", port=0, tls_cert=certificates / cert, tls_key=certificates / key)
    with pytest.raises(SettingsError, match=said), running(tmp_path, listen=lambda made: listen(made, config)):
        pass


def test_nobody_there_is_not_healthy() -> None:
    assert not answers_health(Config(port=1, tls_cert=Path("a"), tls_key=Path("b")))
