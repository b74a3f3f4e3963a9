"""Files in, elements out: type detection, one parser a format, and the process they run in.

Adding a format touches this folder only: an adapter, its media types in `detect`, its line in
`registry`.
"""
