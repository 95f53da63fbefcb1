# syntax=docker/dockerfile:1
# siamtrack on a CPU, without PyTorch: docker build --tag siamtrack . && docker run --rm siamtrack doctor
FROM python:3.13-slim

# OpenCV without windows: it is smaller, and wants no graphics libraries of the system. The name is all that differs.
RUN --mount=type=bind,target=/src,rw \
    pip install --no-cache-dir --constraint /src/constraints.txt '/src[live]' \
    && version=$(python -c "from importlib.metadata import version; print(version('opencv-python'))") \
    && pip uninstall --yes opencv-python \
    && pip install --no-cache-dir "opencv-python-headless==$version" \
    && useradd --uid 1000 --create-home siamtrack \
    && install --directory --owner siamtrack /work

ENV PYTHONUNBUFFERED=1
USER 1000
WORKDIR /work
# Compiled kernels are kept in the user's home: without them the first frame takes seconds.
RUN python -c "import numpy, siamtrack; tracker = siamtrack.load(); frame = numpy.zeros((240, 320, 3), numpy.uint8); tracker.init(frame, (130, 90, 60, 60)); tracker.update(frame)"

ENTRYPOINT ["siamtrack"]
CMD ["--help"]
