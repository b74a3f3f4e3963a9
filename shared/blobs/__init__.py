"""Where uploaded bytes live: port, folder and S3 through obstore, double."""
