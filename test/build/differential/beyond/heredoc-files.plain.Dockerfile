FROM busybox
ARG NAME=world
RUN mkdir /d /e && echo 'Hello world, $NAME, "quoted"' >/d/hello.txt && echo '$NAME \$NAME' >/named && touch /e/empty
RUN mkdir /several && echo indented >/several/one && touch /several/two && chmod 755 /several/one /several/two && chown -R 3:4 /several
COPY --chown=3:4 --chmod=755 a /several/
