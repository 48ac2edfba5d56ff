FROM busybox
ENV legacy form with  blanks and "quotes"
ENV A=1 B=$A C="x y" D='$A' E=a\ b F="\"q\"" G=
ENV H=$A$B I=${A}${C} J="$D" K=\$A L="\$A" M='\$A' N=$UNSET O=${UNSET}
ENV A=2 P=$A
ENV Q=a\
b R="a\
b"
ENV S="tab	inside" T=a=b=c U='it'"s"
ENV PATH=/first:$PATH
ENV W=\\ X="\\" Y='\\' Z="a'b"
