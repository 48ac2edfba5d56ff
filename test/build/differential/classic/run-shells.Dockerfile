FROM busybox
SHELL ["/bin/sh", "-exc"]
RUN echo $- >/options
SHELL ["/bin/echo", "-n"]
RUN something
SHELL ["/bin/sh", "-c"]
RUN echo $0 >/zero
CMD last
ENTRYPOINT in shell
