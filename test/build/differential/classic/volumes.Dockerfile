FROM busybox
RUN mkdir /before && echo 1 >/before/f
VOLUME /before /words
VOLUME ["/json", "/with space"]
VOLUME ["/single"]
ENV V=/of-variable
VOLUME $V/x
VOLUME [not json
RUN echo 2 >/after
