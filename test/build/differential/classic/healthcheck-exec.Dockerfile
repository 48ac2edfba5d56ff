FROM busybox
HEALTHCHECK --interval=10s --retries=1 CMD ["exec", "form"]
