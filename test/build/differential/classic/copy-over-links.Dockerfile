FROM busybox
RUN mkdir -p /a/real && ln -s real /a/rel && ln -s /a/real /abs && ln -s /../../a/real /escape
COPY a /a/rel/one
COPY a /abs/two
COPY a /escape/three
COPY dir/sub /abs/
WORKDIR /abs
COPY b.txt .
