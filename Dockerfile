# The shell: docker build -t openai-vtab . && docker run --rm -it -e OPENAI_API_KEY -v "$PWD:/work" openai-vtab my.db
FROM python:3.13-slim AS build
COPY . /source
RUN python -m venv /opt/openai-vtab \
    && /opt/openai-vtab/bin/pip install --no-cache-dir '/source[all]'

FROM python:3.13-slim
COPY --from=build /opt/openai-vtab /opt/openai-vtab
# the folder of the user who runs it: databases, and files to upload
WORKDIR /work
RUN useradd --create-home shell && chown shell /work
USER shell
ENTRYPOINT ["/opt/openai-vtab/bin/openai-vtab"]
