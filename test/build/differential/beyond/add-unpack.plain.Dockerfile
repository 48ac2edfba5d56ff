FROM busybox
COPY archives/gzip.tgz /kept/
ADD archives/gzip.tgz /unpacked/
ADD archives/gzip.tgz /remote/
ADD archives/gzip.tgz /zstd/
