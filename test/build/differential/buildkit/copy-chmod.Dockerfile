FROM busybox
COPY --chmod=640 a /file
COPY --chmod=4755 tool /set-id
COPY --chmod=755 dir /folder
COPY --chmod=700 --chown=5:6 b.txt /made/both
ADD --chmod=0600 c.txt /added
