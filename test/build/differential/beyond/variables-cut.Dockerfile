FROM busybox
ENV V=/usr/lib/libx.so.1
ENV A=${V#*/} B=${V##*/} C=${V%.*} D=${V%%.*} E=${V/lib/L} F=${V//lib/L} G=${V-w} H=${unset-w} I=${V+w} J=${V:?no} K=${V//\//-}
LABEL base=${V##*/}
COPY a /${V##*/}
