"""What a parser process may do once it reads files: Landlock and seccomp, no wheel, no privilege.

`confine` is called by the child; `isolation_here` tells everyone else what it will come to.
"""
