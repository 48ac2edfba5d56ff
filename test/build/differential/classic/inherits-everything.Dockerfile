FROM base-with-all
LABEL changed=after new=1
EXPOSE 2000
VOLUME /own
ENV BASE="$BASE, changed"
RUN echo $BASE >env
