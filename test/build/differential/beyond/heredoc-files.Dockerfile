FROM busybox
ARG NAME=world
COPY <<hello.txt /d/
Hello $NAME, \$NAME, "quoted"
hello.txt
COPY <<"verbatim" /named
$NAME \$NAME
verbatim
COPY --chown=3:4 --chmod=755 <<-one <<two a /several/
	indented
	one
two
ADD <<empty /e/
empty
