FROM busybox
COPY dir/sub/deep/f.txt /whole/dir/sub/deep/
COPY a /whole/
COPY dir/sub/deep /pivot/sub/deep
COPY dir/c /pattern/dir/
COPY other/c /pattern/other/
COPY --chown=3:4 dir/sub/d /owned/dir/sub/
