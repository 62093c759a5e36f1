# An update of Python is a change of this line. To pin the base to the byte: --build-arg BASE=python@sha256:...
ARG PYTHON_VERSION=3.11
ARG BASE=python:${PYTHON_VERSION}-slim

FROM ${BASE} AS build
# The same sources give the same files, whenever and wherever they are built: BuildKit passes this argument on by itself.
ARG SOURCE_DATE_EPOCH=315532800
# Of the constants of a set: their order goes into what is compiled.
ENV PYTHONHASHSEED=0
RUN python -m venv /opt/venv
COPY requirements.txt /build/
RUN /opt/venv/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check -r /build/requirements.txt
# What nothing here imports: tests and C sources inside packages, names of places and carriers of phone numbers, the
# downloader of models, pip itself. 113 of 390 MB, and their compiled form.
RUN /opt/venv/bin/pip uninstall --quiet --yes hf-xet setuptools pip \
    && cd /opt/venv/lib/python*/site-packages \
    && rm -r phonenumbers/geodata phonenumbers/carrierdata /opt/venv/include \
    && rm -rf pyarrow/include pyarrow/src pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* \
        pyarrow/libarrow_s3* pyarrow/_flight.* pyarrow/_s3fs.* \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find . -type f -regex '.*\.\(pyi\|pyx\|pxd\|c\|cpp\|h\|hpp\)' -delete
COPY . /app
# The dashboard has an image of its own. Compiled now, because the root file system is read-only later, and each start
# would compile everything again.
RUN rm -rf /app/dashboard /app/dashboard.py /app/requirements*.txt \
    && python -m compileall -q --invalidation-mode unchecked-hash /app /opt/venv/lib \
    && mkdir /data \
    && find /opt/venv /app /data -exec touch --no-dereference --date=@${SOURCE_DATE_EPOCH} {} +

FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DB_PATH=/data/insights.db \
    HOST=0.0.0.0
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /data /data
WORKDIR /app
# A number, so that an orchestrator can see that it is not root. It needs no name.
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz\", timeout=2)"]
CMD ["python", "main.py"]
