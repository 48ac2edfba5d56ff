FROM busybox AS build
RUN mkdir -p /out/etc && cp /bin/busybox /out/program && echo x >/out/etc/f
FROM scratch
COPY --from=build /out /
COPY a /a
WORKDIR /made
ENTRYPOINT ["/program"]
