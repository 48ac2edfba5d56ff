FROM base-with-all
CMD []
ENTRYPOINT []
