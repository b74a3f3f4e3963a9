"""The door for MCP clients: the same use cases as tools, with links to what they rest on."""
