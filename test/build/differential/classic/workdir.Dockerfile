FROM busybox
WORKDIR /one/two
WORKDIR three
RUN pwd >here
COPY a .
COPY a named
COPY b.txt ../up
WORKDIR ..
COPY dir rel/
ENV DIR=/from/env
WORKDIR $DIR/sub
WORKDIR "quo ted"
RUN mkdir -m 700 /there && chown 4:4 /there
WORKDIR /there
RUN ln -s /there /linked
WORKDIR /linked/in
WORKDIR /bin
