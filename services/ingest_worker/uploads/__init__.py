"""The upload door's work: a multipart body in, durable blobs and rows of one transaction out."""
