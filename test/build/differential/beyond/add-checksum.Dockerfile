# options: --build-arg SERVER={server} --build-arg SUM={sum}
FROM busybox
ARG SERVER
ARG SUM
ADD --checksum=sha256:$SUM --chmod=644 $SERVER/remote.txt /checked
