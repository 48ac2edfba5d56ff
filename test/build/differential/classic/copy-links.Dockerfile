FROM busybox
COPY link /followed
COPY link-to-dir /followed-dir/
COPY link-to-dir/e.txt /through
COPY linked /kept/
COPY linked/up /up
