FROM busybox
RUN mkdir -p /d/packed/file-was-here && echo old >/d/packed/soft && mkdir -m 711 /d/without-its-folder
ADD archives/plain.tar /d/
