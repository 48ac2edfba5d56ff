# escape=`
FROM busybox
RUN echo one `
  two >/continued
ENV A=a` b B="`"" C=c:\d
COPY a `
  \back
LABEL path=C:\dir`
more
