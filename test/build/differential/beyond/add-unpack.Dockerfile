# options: --build-arg SERVER={server}
FROM busybox
ARG SERVER
ADD --unpack=false archives/gzip.tgz /kept/
ADD --unpack=true archives/gzip.tgz /unpacked/
ADD --unpack=true $SERVER/archive.tgz /remote/
ADD newer-archives/zstd.tar.zst /zstd/
