FROM busybox
WORKDIR /app
ENV FROM_BASE=base
ONBUILD ARG NAME=default
ONBUILD COPY a b.txt /triggered/
ONBUILD RUN echo "$NAME $FROM_BASE" >/triggered/ran && pwd >>/triggered/ran
ONBUILD ENV TRIGGERED=yes
ONBUILD LABEL triggered=$TRIGGERED
