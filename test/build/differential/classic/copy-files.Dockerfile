FROM busybox
COPY a /renamed
COPY a dir/c /several/
COPY a b.txt c.txt /made/deep/down/
COPY ./dir/../a /dots
COPY /a /rooted
COPY ["a", "/json form"]
COPY ["with space", "/spaces/"]
COPY a /renamed
