"""The trail: what was asked, what the answer rested on, what it cost and what was said of it."""
