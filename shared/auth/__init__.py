"""Who is asking: API keys, JWTs, scopes, and the tenant that follows from them."""
