# options: --add-host some.where:10.1.2.3 --network none --shm-size 32m --ulimit nofile=512:1024
FROM busybox
RUN grep some.where /etc/hosts >/hosts && ls /sys/class/net >/links && ulimit -n >/limits && ulimit -Hn >>/limits && df -k /dev/shm | tail -n 1 | awk '{print $2}' >>/limits
