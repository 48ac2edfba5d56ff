FROM busybox
RUN mkfifo /fifo && mknod /null c 1 3 && mknod /block b 7 0 && chmod 640 /null && ln -s /nowhere/at/all /soft && echo h >/h1 && ln /h1 /h2 && chmod 6755 /h1 && mkdir -m 1777 /sticky && mkdir -m 2755 /set-group
RUN chmod 700 /h1 && chown 3:4 /sticky && chown -h 5:6 /soft
RUN ln /h2 /h3 && echo more >>/h3 && touch -d @1234567890 /h1
RUN chmod 711 /root && touch -d @1111111111 /root
RUN truncate -s 10M /sparse && echo end >>/sparse
