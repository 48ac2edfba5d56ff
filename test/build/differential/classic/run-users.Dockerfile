FROM base-with-all
RUN id >/srv/id && echo $HOME >>/srv/id && pwd >>/srv/id
USER 0
RUN echo g:x:2000:u >>/etc/group && echo h:x:2001:x,u >>/etc/group
USER u
RUN id >/srv/groups
USER u:g
RUN id >/srv/with-group
USER 7:8
RUN id >/tmp-id 2>/dev/null || true
USER 1000
RUN id >/srv/number && touch /srv/owned && mkdir /srv/owned-dir
