FROM busybox
HEALTHCHECK CMD ["replaced"]
HEALTHCHECK --interval=1m30s --timeout=2500ms --start-period=1h --retries=4 CMD curl -f http://localhost/ || exit 1
