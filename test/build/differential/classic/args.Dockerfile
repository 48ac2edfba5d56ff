# options: --build-arg GIVEN=given --build-arg GLOBAL=global --build-arg HTTP_PROXY=http://proxy.invalid:1 --build-arg NULLED
ARG GLOBAL=x
ARG TAG=latest
ARG NAME=busybox:${TAG}
FROM $NAME AS first
ARG GIVEN=default
ARG GLOBAL
ARG TAG
ARG NULLED=value
ARG CHAINED=${GIVEN}-$GLOBAL-${TAG:-none}
LABEL given=$GIVEN global=$GLOBAL tag=$TAG chained=$CHAINED nulled=$NULLED
RUN echo "$GIVEN $GLOBAL $TAG $CHAINED $HTTP_PROXY" >/args
FROM first
LABEL inherited=$GIVEN undeclared="[$UNDECLARED]"
RUN echo "$GIVEN $GLOBAL" >/inherited
ENV GIVEN=env
RUN echo "$GIVEN" >/env-wins
ARG GIVEN=again
RUN echo "$GIVEN" >/env-wins-still
