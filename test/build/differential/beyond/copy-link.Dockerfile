FROM busybox
RUN mkdir -p /real && ln -s real /linked
COPY --link a /file
COPY --link dir /folder/
COPY --link=true --chown=3:4 b.txt /made/deep/
COPY --link=false c.txt /linked/
FROM busybox
COPY --link --from=0 /real /file /copied/
ADD --link archives/plain.tar /archive/
