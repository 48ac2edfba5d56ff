FROM busybox
RUN echo "one $HOME" >/f && echo two >>/f
SHELL ["/bin/sh", "-ec"]
RUN echo 'tabs	kept inside' >/tabs
RUN echo "by awk" >/awk
RUN echo "three 3" >/g && echo 'four $HOME' >>/g
