# options: --secret id=token,src={context}/private
FROM busybox
RUN --mount=type=secret,id=token cat /run/secrets/token | md5sum >/sum
RUN --mount=type=secret,id=token,target=/else/where,mode=0444,uid=3,gid=4 stat -c '%a %u:%g' /else/where >/attributes
RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent
