FROM busybox
COPY --parents dir/sub/deep/f.txt a /whole/
COPY --parents dir/./sub/deep /pivot/
COPY --parents ./*/c /pattern/
COPY --parents --chown=3:4 dir/sub/d /owned/
