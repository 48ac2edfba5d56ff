FROM base-with-all
CMD ["own"]
ENTRYPOINT shell form $HOME
