FROM busybox
RUN mkdir -p /dir/sub /target && echo old >/dir/c && echo old >/file && chmod 600 /file && chown 1:1 /file && ln -s /target /to-target && ln -s /file /to-file && ln -s nowhere /dangling
COPY dir /dir
COPY a /file
COPY b.txt /to-target/
COPY dir /to-target
COPY c.txt /etc/
