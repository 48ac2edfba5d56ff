FROM busybox
USER 1234:1235
WORKDIR /made/by/user
USER 0
RUN pwd >/said
