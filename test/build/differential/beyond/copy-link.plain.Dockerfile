FROM busybox
RUN mkdir -p /real && ln -s real /linked
COPY a /file
COPY c.txt /linked/
FROM busybox
COPY --from=0 /real /file /copied/
ADD archives/plain.tar /archive/
