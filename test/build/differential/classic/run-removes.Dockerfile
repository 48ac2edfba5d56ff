FROM busybox
RUN mkdir -p /d/e && touch /d/e/f && rm /etc/group && mv /d /g
RUN rm -r /g && mkdir /g && touch /g/new && rm -r /home && mkdir /home
RUN mkdir /etc/x && touch /etc/x/f && mv /etc/x /etc/moved && touch /etc/x
RUN rm /etc/x && mkdir /etc/x && ln -s ../moved /etc/x/l
RUN touch /made && rm /made
