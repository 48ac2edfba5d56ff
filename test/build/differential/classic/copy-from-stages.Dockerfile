FROM busybox AS first
RUN mkdir -p /s/sub && echo s >/s/f && ln -s f /s/l && ln -s /s/sub /s/d && echo x >/s/sub/x && chown -R 5:6 /s && chmod 4750 /s/f && ln /s/sub/x /s/sub/y && mkfifo /s/p && touch -d @1000000000 /s/f
FROM busybox AS Second
COPY --from=first /s /whole
FROM busybox
COPY --from=first /s/f /s/l /files/
COPY --from=0 s/d /relative/
COPY --from=second /whole/sub /again
COPY --from=first --chown=1:2 /s /owned
COPY --from=busybox /bin/busybox /image
COPY --from=first /s/*/x /pattern/
