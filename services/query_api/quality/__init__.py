"""Watches how well collections are searched: canary questions, asked by the clock."""
