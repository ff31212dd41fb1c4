"""What is published: written, read, verified and compared."""
