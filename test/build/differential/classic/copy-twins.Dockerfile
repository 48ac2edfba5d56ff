FROM busybox
COPY twins /twins
COPY twins/one twins/two /apart/
