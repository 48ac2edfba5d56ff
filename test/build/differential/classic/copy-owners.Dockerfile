FROM busybox
RUN echo u:x:1000:1001::/:/bin/sh >>/etc/passwd && echo u:x:1002: >>/etc/group && echo g:x:77: >>/etc/group
COPY --chown=u a /user
COPY --chown=u:g a /user-group
COPY --chown=55 a /number
COPY --chown=55:g a /number-group
COPY --chown=5:6 dir /folder
COPY --chown=7:8 a /made/by/copy/
COPY --chown=9:9 linked /links
ARG WHO=12:13
COPY --chown=$WHO a /variable
