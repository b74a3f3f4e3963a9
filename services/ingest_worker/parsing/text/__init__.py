"""Text and markup of every kind."""
