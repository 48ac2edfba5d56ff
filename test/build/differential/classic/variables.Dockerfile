FROM busybox
ENV set=value empty=
ENV A=${set:-w} B=${empty:-w} C=${unset:-w} D=${set:+w} E=${empty:+w} F=${unset:+w}
ENV G=${unset:-${set}} H=${unset:-"quo ted"} I=${unset:-a\}b} J=x${set}y K=$set$set L=${set}_ M=$set_
ENV dir=/v port=8080 user=9 sig=SIGINT
WORKDIR ${dir}/w
EXPOSE ${port} ${unset:-81}/udp
USER ${user}:${user}
STOPSIGNAL ${sig}
VOLUME ${dir}
LABEL "${set}"="${set}" '${set}'='${set}'
COPY ${unset:-a} $dir/$set
USER 0
ADD ${unset:-b}.txt ${dir}/
