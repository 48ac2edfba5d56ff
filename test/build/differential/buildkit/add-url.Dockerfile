# options: --build-arg SERVER={server}
FROM busybox
ARG SERVER
ADD $SERVER/remote.txt /folder/
ADD $SERVER/remote.txt /named
ADD --chown=3:4 $SERVER/archive.tgz /archive/
