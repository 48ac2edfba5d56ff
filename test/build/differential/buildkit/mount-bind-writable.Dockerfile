FROM busybox
RUN --mount=type=bind,target=/ctx,rw echo new >/ctx/written && cat /ctx/written >/kept
