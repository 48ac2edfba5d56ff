FROM busybox
COPY --chmod=u=rwx,g=rx,o= a /one
COPY --chmod=go-r,u+x b.txt /two
COPY --chmod=a+X dir /three
COPY --chmod=u+s,g+s tool /four
