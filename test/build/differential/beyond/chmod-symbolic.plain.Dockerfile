FROM busybox
COPY a /one
COPY b.txt /two
COPY dir /three
COPY tool /four
RUN chmod 750 /one && chmod 700 /two && chmod -R a+X /three && chmod 6755 /four && touch -d @1118131750 /one /two /four
