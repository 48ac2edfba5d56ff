# options: --build-arg SERVER={server}
FROM busybox
ARG SERVER
ADD --chmod=644 $SERVER/remote.txt /checked
