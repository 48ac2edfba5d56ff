FROM busybox
COPY dir /without-slash
COPY dir/ /source-slash
COPY dir /with-slash/
COPY dir/sub other /merged/
COPY empty /empty
COPY modes /modes
COPY modes/closed /closed
RUN mkdir -m 700 /there && chown 3:4 /there && mkdir -m 750 /there/sub
COPY dir /there
