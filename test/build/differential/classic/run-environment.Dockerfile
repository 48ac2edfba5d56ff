FROM busybox
ARG A=1
ARG EMPTY=
ARG UNSET
ENV B=2 A2=$A SPACE="a b"
ARG B=hidden
RUN env | grep -v -e ^HOSTNAME= -e ^SHLVL= -e ^PWD= | sort >/environment
RUN echo "$A,$B,$EMPTY,${UNSET-unset}" >/values
SHELL ["/bin/sh", "-c", "echo shell >/which; eval \"$0\""]
RUN env | grep -c . >/count
