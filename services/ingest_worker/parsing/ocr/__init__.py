"""Text from pictures: the engines, and what they read as lines and paragraphs."""
