FROM busybox
RUN echo shell $HOME "double  $((1+1))" 'single $HOME' >/shell
RUN ["sh", "-c", "echo exec $0 >/exec", "zero"]
RUN ["touch", "/with space", "/quote\"d"]
run echo lower case >/lower
RUN echo one \
    two \
# a comment between
    three   \
    >/continued
RUN [ "a" = "a" ] && echo no JSON >/no-json
RUN echo 'a\
b' >/inside-quotes
RUN   echo leading blanks    >/blanks
RUN echo "# no comment" >/hash # a shell's comment
RUN true
