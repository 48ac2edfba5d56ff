FROM busybox
ONBUILD RUN touch /x
ONBUILD COPY --chown=1:2 a \
  /b
onbuild env A=b
ONBUILD ENTRYPOINT ["x"]
ONBUILD COPY --from=busybox /bin/sh /sh
