FROM busybox
RUN echo lo >/links
RUN id -u >/id
HEALTHCHECK --start-period=10s CMD true
