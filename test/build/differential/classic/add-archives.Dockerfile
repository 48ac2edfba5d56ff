FROM busybox
ADD archives/plain.tar /plain/
ADD archives/gzip.tgz /gzip
ADD archives/bzip2.tar.bz2 /bzip2/
ADD archives/xz.tar.xz /xz/
ADD archives/named-otherwise /otherwise/
ADD not-archive.tar.gz /not/
ADD text.gz /text/
ADD archives/plain.tar archives/gzip.tgz a /several/
ADD archives/*.tar* /pattern/
