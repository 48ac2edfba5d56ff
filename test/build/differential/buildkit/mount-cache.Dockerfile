FROM busybox AS seed
FROM busybox
RUN --mount=type=cache,target=/c,id=differential echo one >/c/f
RUN --mount=type=cache,target=/other,id=differential cat /other/f >/second
RUN --mount=type=cache,target=/c,id=owned,mode=0750,uid=3,gid=4 stat -c '%a %u:%g' /c >/attributes
RUN --mount=type=cache,target=/c,id=seeded,from=seed,source=/etc ls /c/passwd >/seeded
RUN --mount=type=cache,target=/locked,sharing=locked touch /locked/x
