# options: --build-arg NAME=given
FROM base-with-triggers
RUN cat /triggered/ran >/app/copy
