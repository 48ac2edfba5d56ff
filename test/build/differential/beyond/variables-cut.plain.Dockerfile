FROM busybox
ENV V=/usr/lib/libx.so.1
ENV A=usr/lib/libx.so.1 B=libx.so.1 C=/usr/lib/libx.so D=/usr/lib/libx E=/usr/L/libx.so.1 F=/usr/L/Lx.so.1 G=/usr/lib/libx.so.1 H=w I=w J=/usr/lib/libx.so.1 K=-usr-lib-libx.so.1
LABEL base=libx.so.1
COPY a /libx.so.1
