FROM busybox
RUN <<END
echo "one $HOME"  >/f
echo two >>/f
END
SHELL ["/bin/sh", "-ec"]
RUN <<-'END'
	echo 'tabs	kept inside' >/tabs
	END
RUN <<END
#!/bin/awk -f
BEGIN { print "by awk" >"/awk" }
END
RUN cat <<A >/g && cat <<-"B" >>/g
three $((1+2))
A
	four $HOME
	B
