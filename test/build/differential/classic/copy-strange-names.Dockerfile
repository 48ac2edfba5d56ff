FROM busybox
COPY ["süß", "/süß/"]
COPY ["name\\'s", "/"]
COPY .hidden /
COPY long-name-* /
COPY brackets* /
