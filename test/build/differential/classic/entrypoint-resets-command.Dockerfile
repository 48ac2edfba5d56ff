FROM base-with-all
ENTRYPOINT ["other"]
