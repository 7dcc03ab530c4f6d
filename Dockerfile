# An image with the platform and its dependencies, for the nodes of a cluster and for launches.
#   docker build --tag lamix-study .
#   docker run --rm --volume "$PWD:/work" lamix-study launch search_spaces/beta.yaml
# For GPUs nothing changes: PyTorch's wheels bring CUDA, the host brings the driver.
FROM python:3.11-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

WORKDIR /opt/lamix-study
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY study study
COPY trainables trainables
COPY analysis analysis
COPY search_spaces search_spaces
RUN pip install --constraint constraints.txt . \
    && useradd --create-home --uid 1000 study

USER study
WORKDIR /work
ENTRYPOINT ["lamix-study"]
CMD ["--help"]
