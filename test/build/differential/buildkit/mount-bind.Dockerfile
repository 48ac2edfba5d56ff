FROM busybox AS stage
RUN mkdir -p /d/e && echo deep >/d/e/f
FROM busybox
RUN --mount=type=bind,target=/ctx cp /ctx/a /copied
RUN --mount=type=bind,from=stage,source=/d,target=/m cat /m/e/f >/from-stage
RUN --mount=type=bind,from=busybox,source=/bin,target=/m ls /m/busybox >/from-image
RUN --mount=type=bind,source=dir,dst=/m find /m | sort >/folder
