FROM busybox AS unused
RUN exit 1
FROM busybox AS used
RUN echo used >/used
FROM busybox
COPY --from=used /used /
