"""The wire models of the query service: its contract, to the letter; a module a router."""
