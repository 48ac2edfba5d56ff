# options: --build-arg B=given
FROM busybox
ARG A=1 B C="three words"
RUN echo "$A $B $C" >/args
