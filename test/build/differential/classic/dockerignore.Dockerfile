FROM busybox
COPY ignored* /some/
COPY logs /logs
COPY folder-out /out
