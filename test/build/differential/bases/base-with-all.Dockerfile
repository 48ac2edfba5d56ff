FROM busybox
RUN echo u:x:1000:1000::/home/u:/bin/sh >>/etc/passwd && echo u:x:1000: >>/etc/group && mkdir -p /home/u /srv/kept && echo base >/srv/kept/base && chown -R 1000:1000 /srv
ENV PATH=/opt/bin:/bin BASE="of the base"
LABEL base=1 changed=before
EXPOSE 1000
VOLUME /of-base
USER u
WORKDIR /srv
ENTRYPOINT ["/bin/echo"]
CMD ["base"]
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=7s CMD true
MAINTAINER base@example.com
