# options: --target two
FROM busybox AS one
RUN echo one >/one
FROM one AS two
RUN echo two >/two
CMD ["two"]
FROM busybox AS three
RUN exit 1
