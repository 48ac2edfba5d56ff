FROM busybox
COPY *.txt /text/
COPY d?r /question/
COPY dir/s* /folder/
COPY [ab]* /class/
COPY */c /deeper/
COPY [^c-z]*.txt /not/
COPY brackets[[]0].txt /escaped/
COPY n*t* *.txt /mixed/
