FROM busybox
CMD one two
CMD ["exec", "form", "with \"quotes\""]
ENTRYPOINT ["x", "y"]
CMD   shell form   with  blanks
