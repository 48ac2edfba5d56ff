FROM busybox
COPY tool private setuid-tool /files/
COPY modes/ /folders/
COPY pipes /pipes/
