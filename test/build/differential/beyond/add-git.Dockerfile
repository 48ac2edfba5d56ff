# options: --build-arg GIT={git} --build-arg COMMIT={commit}
FROM busybox
ARG GIT
ARG COMMIT
ADD $GIT /whole
ADD $GIT#other /branch
ADD $GIT#main:sub /folder/
ADD --checksum=$COMMIT --chown=3:4 $GIT#v1 /tag
ADD --keep-git-dir=true $GIT /kept
RUN test -d /kept/.git && test -e /kept/.git/HEAD && rm -r /kept
