"""What both services stand on; a thing is here only if both use it."""
