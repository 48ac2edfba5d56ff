FROM busybox
COPY dir/c /one/
COPY dir/sub /one/sub
COPY dir/sub/d /two/sub/
COPY dir/c other/c other/g /three/
COPY dir/e.txt /three/
RUN rm /three/c
COPY other/c /three/
COPY dir/c dir/e.txt /four/
COPY dir/sub/d /four/sub/
COPY c.txt /five/
