FROM busybox
COPY --exclude=*.txt dir /one/
COPY --exclude=**/*.txt --exclude=c dir /two/
COPY --exclude=sub dir other /three/
ADD --exclude=*/deep dir /four/
COPY --exclude=b* *.txt /five/
