# options: --label given=1 --label over=option --label empty=
FROM busybox
LABEL legacy form of a label
LABEL a=1 "b c"="d e" 'f'='g h' i="line\
continued" over=file
LABEL a=2 multi="one \
two"
LABEL com.example.dotted="x" with-dash=y empty-one=
LABEL quote="a\"b" dollar=\$x
