# options: --build-context other=docker-image://base-with-all
FROM busybox
COPY --from=other /srv/kept /kept
