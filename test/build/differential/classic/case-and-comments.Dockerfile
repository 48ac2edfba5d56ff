# a comment before

   # an indented one
from busybox as Base
  env A=1
	label tabbed=yes
# in between
From base
Run echo mixed >/m
cOpY a /
cmd ["x"]
