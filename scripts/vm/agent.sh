#!/bin/bash
# Runs in the virtual machine of `npm run test:vm`, with a virtio console as its standard input and output. A request is a
# line: a name, and a bash script in base64. Its answer is a line: that name, the exit code, standard output and standard
# error, the latter two in base64.
stty raw -echo
echo ready
while read -r name request; do
  base64 -d <<<"$request" >/run/request
  bash /run/request </dev/null >/run/stdout 2>/run/stderr
  echo "$name $? $(base64 -w0 /run/stdout) $(base64 -w0 /run/stderr)"
done
