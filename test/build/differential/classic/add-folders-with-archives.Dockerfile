FROM busybox
ADD archives /kept/
ADD dir /dir
ADD --chown=3:4 a b.txt /owned/
ADD --chown=3:4 archives/plain.tar /owned-archive/
