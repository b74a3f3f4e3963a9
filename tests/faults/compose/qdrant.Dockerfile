# Stands in for qdrant/qdrant where no registry has it: the embedded server at the same paths, ports and
# variables, run by the same user. Built by the compose drill, never shipped.
FROM python:3.13-slim
RUN useradd --uid 1000 --user-group --no-create-home qdrant && install -d -o qdrant -g qdrant /qdrant/storage
COPY requirements/dev.txt /tmp/dev.txt
# More than it needs, and only what the lock has.
RUN python -m venv /opt/qdrant \
 && /opt/qdrant/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes --requirement /tmp/dev.txt
COPY shared /opt/code/shared
COPY services /opt/code/services
COPY citewell /opt/code/citewell
# hadolint ignore=SC2016
RUN printf '#!/bin/bash\nCITEWELL_QDRANT_API_KEY=$QDRANT__SERVICE__API_KEY exec /opt/qdrant/bin/python -m citewell.embedded.qdrant --data /qdrant/storage --host 0.0.0.0 --port 6333\n' > /qdrant/entrypoint.sh \
 && chmod 755 /qdrant/entrypoint.sh
ENV PYTHONPATH=/opt/code PYTHONUNBUFFERED=1
WORKDIR /qdrant
USER 1000:1000
EXPOSE 6333
CMD ["./entrypoint.sh"]
