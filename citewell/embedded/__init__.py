"""The whole stack from wheels: `citewell up` starts, watches and stops every server and service."""
